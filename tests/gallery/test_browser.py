"""Notebooks in a real browser: moving a control changes the picture."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("marimo", reason="the notebooks need marimo: pip install 'exzarr[gallery]'")

from exzarr.gallery.catalog import find
from tests.breadth import cover
from tests.gallery.browser import chromium, new_page

# A notebook, a kind of control, its label, and the name of the figure that it changes.
CONTROLS = [
    ("01_01_first_zarr_array", "slider", "rows in the window", "window"),
    ("01_05_interoperability", "dropdown", "byte order", "orders"),
    ("03_01_climate_cube", "slider", "month", "map"),
    ("05_01_tick_data_cube", "slider", "seconds in a bar", "candles"),
    ("01_02_chunk_sizing_lab", "slider", "how much series matter, percent", "frontier"),
    ("01_03_compression_shootout", "slider", "bandwidth, MB/s", "bandwidth"),
    ("01_04_multi_array_datasets", "slider", "milliseconds for an answer", "discovery"),
    ("02_01_appendable_time_series", "slider", "minutes in a chunk", "sawtooth"),
    ("02_04_object_store_tuning", "slider", "gap, kB", "coalescing"),
    ("04_01_embeddings_in_zarr", "dropdown", "what is it", "similarities"),
]


@contextmanager
def served(notebook: Path, folder: Path) -> Iterator[str]:
    """Serve `notebook` with `marimo run`, and yield its address."""
    command = [sys.executable, "-u", "-m", "marimo", "run", "--headless", "--no-token", "--host", "127.0.0.1"]
    environment = {**os.environ, "MARIMO_SKIP_UPDATE_CHECK": "1", "TMPDIR": str(folder), "COLUMNS": "200"}
    server = subprocess.Popen(
        [*command, str(notebook)],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert server.stdout is not None
        printed = []
        for line in server.stdout:
            printed.append(line)
            if address := re.search(r"http://[\w.]+:\d+", line):
                break
        else:
            pytest.fail("".join(printed))
        yield address[0]
    finally:
        server.terminate()
        server.communicate(timeout=60)


def move(page: Any, kind: str, label: str) -> None:
    """Change the value of the slider or dropdown called `label`."""
    control = page.locator("marimo-ui-element", has_text=label).last
    control.scroll_into_view_if_needed()
    assert control.locator(f"marimo-{kind}").count()
    if kind == "slider":
        handle = control.get_by_role("slider")
        handle.focus()
        for _ in range(3):
            handle.press("ArrowRight")
    else:
        chosen = control.locator("select")
        values = [one.get_attribute("value") for one in chosen.locator("option").all()]
        chosen.select_option(next(value for value in values[::-1] if value != chosen.input_value()))


@pytest.mark.parametrize(("name", "kind", "label", "figure"), CONTROLS)
def test_notebook_has_the_control_and_the_figure(name: str, kind: str, label: str, figure: str) -> None:
    calls = [
        node for node in ast.walk(ast.parse(find(name).path.read_text("utf-8"))) if isinstance(node, ast.Call)
    ]
    controls = [call for call in calls if ast.unparse(call.func) == f"mo.ui.{kind}"]
    labels = [
        ast.literal_eval(option.value)
        for call in controls
        for option in call.keywords
        if option.arg == "label"
    ]
    assert label in labels
    figures = [ast.unparse(call) for call in calls if ast.unparse(call.func) == "show.figure"]
    assert any(repr(figure) in one for one in figures)


# Each takes as long as its notebook, so `make test` opens one notebook for each kind of control.
@cover(("name", "kind", "label", "figure"), CONTROLS, lambda control: [control[1]])
def test_control_changes_the_picture(name: str, kind: str, label: str, figure: str, tmp_path: Path) -> None:
    chromium()
    requested: list[str] = []
    with served(find(name).path, tmp_path) as address, new_page() as page:
        page.on("request", lambda request: requested.append(request.url))
        page.goto(address)
        picture = page.locator(f"img.exzarr-figure[data-figure={figure}]")
        picture.wait_for()
        before = picture.get_attribute("src")
        move(page, kind, label)
        page.wait_for_function(
            "([figure, before]) => document.querySelector(`img[data-figure=${figure}]`)?.src !== before"
            " && document.querySelector(`img[data-figure=${figure}]`)?.complete",
            arg=[figure, before],
        )
        after = picture.get_attribute("src")
        assert after.startswith("data:image/svg+xml;base64,")
        assert picture.evaluate("image => image.naturalWidth") > 100
    assert after != before
    assert {url for url in requested if not url.startswith(("data:", "blob:", address))} == set()

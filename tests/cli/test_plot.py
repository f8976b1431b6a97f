"""`exzarr plot` and `exzarr head --plot`: files with the right pixels, drawings with characters, and errors."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest

import exzarr

pytest.importorskip("matplotlib")
pytest.importorskip("textual_image")

from exzarr._cli.app import app

Run = Callable[..., str]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs a command and returns what it prints: to stderr, if a status is expected."""

    def run(*arguments: str, status: int = 0) -> str:
        with pytest.raises(SystemExit) as raised:
            app([*arguments])
        out, err = capsys.readouterr()
        assert raised.value.code == status, err
        return err if status else out

    return run


@pytest.fixture
def field(tmp_path: Path) -> Path:
    root = exzarr.create_group(tmp_path / "field.zarr")
    a = root.create_array("a", shape=(20, 40), chunks=(5, 10), dtype="f4", dimension_names=("y", "x"))
    a[:10] = 1.0
    root.create_array("name", data=np.array(["a", "b"]))
    root.create_array("photo", data=np.zeros((4, 4, 3), "u1"))
    return tmp_path / "field.zarr"


def test_an_image_has_the_colours_of_the_values(run: Run, field: Path, tmp_path: Path) -> None:
    from matplotlib import colormaps
    from PIL import Image

    out = tmp_path / "map.png"
    shown = run("plot", f"{field}/a", "-o", str(out), "--limits", "0,1", "--dpi", "100", "--size", "6x4")
    assert "image of 20 × 40 elements from 16 chunks" in shown
    image = Image.open(out).convert("RGB")
    assert image.size == (600, 400)
    pixels = np.asarray(image).reshape(-1, 3)
    low, high = (np.array(colormaps["viridis"](value, bytes=True)[:3]) for value in (0.0, 1.0))
    areas = [(np.abs(pixels.astype(int) - colour).sum(axis=1) < 6).sum() for colour in (low, high)]
    assert min(areas) > 10_000
    assert areas[0] == pytest.approx(areas[1], rel=0.2)


def test_a_line_and_json(run: Run, field: Path, tmp_path: Path) -> None:
    out = tmp_path / "line.svg"
    shown = run("plot", f"{field}/a", "-r", ":, 3", "-o", str(out), "--title", "<a & b>", "--json")
    assert json.loads(shown) == {
        "output": str(out),
        "kind": "line",
        "shape": [20],
        "of": [20],
        "chunks": 4,
        "chunks_in_region": 4,
        "bytes_decoded": 800,
    }
    assert ET.parse(out).getroot().tag.endswith("svg")


@pytest.mark.filterwarnings("ignore:Image.Image.getdata is deprecated:DeprecationWarning")  # textual-image
def test_drawings_with_characters(run: Run, field: Path) -> None:
    image = run("head", f"{field}/a", "--plot")
    assert re.search(r"█{20}", image)
    assert "values a: 0 to 1" in image
    assert "20 × 40 elements from 16 chunks" in image
    line = run("plot", f"{field}/a", "-r", ":, 3")
    assert "(y)" in line
    assert re.search("[⠁-⣿]{5}", line)
    assert "elements" in run("plot", f"{field}/a", "--kind", "histogram")


def test_a_pyramid_is_drawn_from_the_level_that_suffices(run: Run, tmp_path: Path) -> None:
    source = exzarr.create_array(tmp_path / "a.zarr", shape=(4096, 4096), chunks=(512, 512), dtype="u1")
    group = exzarr.create_group(tmp_path / "image.zarr")
    exzarr.multiscale.write(source, group, axes="yx", scale=(0.5, 0.5), unit="micrometer")
    shown = json.loads(run("plot", str(tmp_path / "image.zarr"), "-o", str(tmp_path / "i.png"), "--json"))
    assert shown["of"] == [1024, 1024]
    shown = json.loads(
        run("plot", str(tmp_path / "image.zarr"), "-r", ":400, :800", "-o", str(tmp_path / "i.png"), "--json")
    )
    assert shown["of"] == [400, 800]
    for region, message in (
        ("0, 0, 0", "3"),
        ("..., ...", "ellipsis"),
        ("5000", "index 5000 is out of bounds for dimension 0 of length 4096"),
    ):
        assert message in run("plot", str(tmp_path / "image.zarr"), "-r", region, status=2)


def test_limits_and_scale_of_drawings_with_characters(run: Run, tmp_path: Path) -> None:
    exzarr.save(tmp_path / "a.zarr", np.array([1.0, 10, 100, 1000, 1e6]))
    path = str(tmp_path / "a.zarr")
    log = run("plot", path, "--log", "--limits", "1,1000")
    assert re.search(r"^ *1000 \|", log, re.MULTILINE)
    assert re.search(r"^ *1 \|", log, re.MULTILINE)
    assert "1e+06" not in run("plot", path, "--kind", "histogram", "--limits", "0,200")
    assert "from 1 to 1e+06" in run("plot", path, "--kind", "histogram", "--limits", "2,3", status=2)


@pytest.mark.parametrize("unit", ["ns", "D", "M"])
def test_dates_of_any_unit_are_dates_in_the_terminal(run: Run, tmp_path: Path, unit: str) -> None:
    group = exzarr.create_group(tmp_path / "a.zarr")
    times = np.array(["1960-01-01", "1960-02-01", "1960-03-01"], f"M8[{unit}]")
    group.create_array("t", data=times, dimension_names=["t"])
    group.create_array("v", data=np.arange(3.0), dimension_names=["t"])
    assert "60-02-01" in run("plot", f"{tmp_path}/a.zarr/v")


def test_text_between_dollars_is_no_formula(run: Run, tmp_path: Path) -> None:
    attributes = {"long_name": r"price in $ \bad $", "units": "$"}
    for name, data in (("image", np.eye(3)), ("line", np.ones(1))):
        exzarr.create_array(tmp_path / name, data=data, attributes=attributes)
        out = tmp_path / f"{name}.svg"
        assert name in run("plot", str(tmp_path / name), "-o", str(out))
        ET.parse(out)


@pytest.mark.parametrize(
    ("arguments", "message", "status"),
    [
        (["."], "is a group without a pyramid, and plot draws arrays", 3),
        (["./name"], "has no numbers", 2),
        (["./a", "-o", "a.txt"], "the name must end in .png", 2),
        (["./a", "-o", "missing/a.png"], "there is no folder missing", 2),
        (["./a", "--cmap", "no", "-o", "a.png"], "no colour map 'no'", 2),
        (["./a", "--limits", "2,1"], "the first number must be less", 2),
        (["./a", "--limits", "2"], "write two numbers", 2),
        (["./a", "--size", "0x0", "-o", "a.png"], "write width and height", 2),
        (["./a", "--kind", "pie"], "write image, line or histogram", 2),
        (["./a", "--budget", "1"], "allow more", 2),
        (["./a", "-r", "15:", "--log", "-o", "a.png"], "needs positive values", 2),
        (["./a", "--json"], "--json requires --output", 2),
        (["./a", "--dpi", "100"], "--dpi requires --output", 2),
        (["./a", "--size", "3x3"], "--size requires --output", 2),
        (["./a", "--size", "100x100", "--dpi", "1200", "-o", "a.png"], "120,000 × 120,000 pixels", 2),
        (["./a", "--limits=-inf,1"], "write two finite numbers", 2),
        (["./a", "--log", "--symmetric", "-o", "a.png"], "leave out --log or --symmetric", 2),
        (["./a", "--log", "--limits=-5,1", "-o", "a.png"], "needs positive limits", 2),
        (["./a", "-r", "0", "--colours", "gray"], "--colours does not apply to a line", 2),
        (["./a", "-r", "0", "--symmetric", "-o", "a.png"], "--symmetric does not apply to a line", 2),
        (["./a", "--kind", "histogram", "--cmap", "gray"], "does not apply to a histogram", 2),
        (["./a", "--kind", "histogram", "--log"], "no logarithmic scale: give --output", 2),
        (["./photo", "--limits", "0,1"], "--limits does not apply to an image of colours", 2),
    ],
)
def test_errors(
    run: Run, field: Path, arguments: list[str], message: str, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(field)
    assert message in run("plot", *arguments, status=status)
    assert not [*field.glob("*.png"), *field.glob("*.txt")]

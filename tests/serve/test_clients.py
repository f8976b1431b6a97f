"""The clients that people have open what a server serves, by the snippets that it prints."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import exzarr
from exzarr.serve import Served, ServeOptions, background, snippets
from tests.conftest import JS, Zarrita
from tests.gallery.browser import new_page
from tests.serve.conftest import Running, make_cube
from tests.web_servers import web_server

pytestmark = pytest.mark.slow

CLIENTS = ["exzarr", "zarr-python", "zarr-python, through obstore", "xarray", "TensorStore", "zarrita.js"]


@pytest.fixture(scope="module")
def of_version_2(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A hierarchy of Zarr v2 in SQLite, without a token and without consolidated metadata."""
    path = tmp_path_factory.mktemp("v2") / "cube.sqlite"
    make_cube(path, 2)
    with background(path) as served:
        yield served


def printed(shown: str) -> dict[str, str]:
    """Return the snippets in the output of the command."""
    blocks = re.findall(r"^(\S.*)\n((?:    .*\n|\n)+)", shown.partition("\n\n")[2] + "\n", re.MULTILINE)
    return {name: textwrap.dedent(source) for name, source in blocks}


@pytest.fixture(params=["v3", "v2"])
def place(request: pytest.FixtureRequest) -> tuple[dict[str, str], Any]:
    """The snippets for each server, and the hierarchy itself."""
    if request.param == "v3":
        running: Running = request.getfixturevalue("server")
        return printed(running.shown), exzarr.open_group(running.folder, mode="r")
    served: Served = request.getfixturevalue("of_version_2")
    return snippets(served), exzarr.open_group(served.store, mode="r")


def test_every_client_has_a_snippet(place: tuple[dict[str, str], Any]) -> None:
    assert sorted(place[0]) == sorted(CLIENTS)


@pytest.mark.parametrize("client", CLIENTS[:3])
def test_libraries_with_groups(place: tuple[dict[str, str], Any], client: str) -> None:
    sources, group = place
    if client != "exzarr":
        pytest.importorskip("zarr")
        pytest.importorskip("obstore")
    names: dict[str, Any] = {}
    exec(sources[client], names)
    node = names["node"]
    assert sorted(name for name, _ in node.members(max_depth=None)) == [
        "air",
        "deep",
        "deep/large",
        "lat",
        "lon",
    ]
    assert dict(node.attrs) == {"title": "cube"}
    for path in ("air", "lat", "deep/large"):
        np.testing.assert_array_equal(node[path][...], group[path][...])
    np.testing.assert_array_equal(node["air"][3:25, ::2, 5], group["air"][3:25, ::2, 5])


@pytest.mark.parametrize("engine", ["zarr", "exzarr"])
def test_xarray(place: tuple[dict[str, str], Any], engine: str) -> None:
    xarray = pytest.importorskip("xarray")
    pytest.importorskip("zarr")
    sources, group = place
    names: dict[str, Any] = {}
    exec(sources["xarray"], names)
    dataset = names["dataset"]
    if engine == "exzarr":
        url = re.search(r'"(http[^"]+)"', sources["xarray"])
        assert url is not None
        dataset = xarray.open_dataset(url[1], engine="exzarr")
    np.testing.assert_array_equal(dataset["air"].sel(lon=slice(3, 9)).values, group["air"][..., 3:10])
    np.testing.assert_array_equal(dataset["lat"].values, group["lat"][:])
    assert dataset["air"].dims == ("time", "lat", "lon")
    dataset.close()


def test_tensorstore(place: tuple[dict[str, str], Any]) -> None:
    pytest.importorskip("tensorstore")
    sources, group = place
    names: dict[str, Any] = {}
    exec(sources["TensorStore"], names)
    array = names["array"]
    np.testing.assert_array_equal(array.read().result(), group["air"][:])
    np.testing.assert_array_equal(array[5:7, 3].read().result(), group["air"][5:7, 3])  # parts of a shard


def test_zarrita(place: tuple[dict[str, str], Any], zarrita: Zarrita) -> None:
    sources, group = place
    show = "console.log(JSON.stringify({ shape, data: Array.from(data) }));"
    done = subprocess.run(
        ["node", "--input-type=module", "-e", sources["zarrita.js"] + show],
        cwd=JS,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    np.testing.assert_array_equal(
        np.array(found["data"], "f4").reshape(found["shape"]), group["air"][:], strict=True
    )


def test_zarrita_reads_consolidated_metadata_by_query_token(server: Running, zarrita: Zarrita) -> None:
    """A page on the web cannot set headers for every client: the token is in the query, and zarrita keeps it."""
    base, _, token = server.url.rpartition("/")
    source = f"""
    import * as zarr from "zarrita";
    const store = new zarr.FetchStore({json.dumps(f"{base}?token={token}")});
    const listed = await zarr.withConsolidatedMetadata(store, {{ format: "v3" }});
    console.log(JSON.stringify(listed.contents()));
    """
    done = subprocess.run(
        ["node", "--input-type=module", "-e", source], cwd=JS, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert {one["path"] for one in json.loads(done.stdout)} >= {"/air", "/deep", "/deep/large"}


def test_consolidated_metadata_is_that_of_zarr_python(server: Running, tmp_path: Path) -> None:
    zarr = pytest.importorskip("zarr")
    shutil.copytree(server.folder, tmp_path / "copy.zarr")
    zarr.consolidate_metadata(tmp_path / "copy.zarr")
    expected = zarr.open_consolidated(tmp_path / "copy.zarr").metadata
    assert zarr.open_consolidated(server.url, mode="r").metadata == expected
    assert len(expected.consolidated_metadata.metadata) == 4


def test_store_that_cannot_be_listed_is_opened_by_consolidated_metadata(tmp_path: Path) -> None:
    pytest.importorskip("zarr")
    make_cube(tmp_path / "cube.zarr", 2)
    options = ServeOptions(consolidate=True, listing=False)
    with background(tmp_path / "cube.zarr", options) as served:
        assert sorted(exzarr.open_group(served.url, mode="r")) == ["air", "deep", "lat", "lon"]
        names: dict[str, Any] = {}
        exec(snippets(served)["zarr-python"], names)
        assert sorted(names["node"]) == ["air", "deep", "lat", "lon"]


FETCH = """async ([url, token]) => {
    const headers = { Authorization: `Bearer ${token}`, Range: "bytes=0-3" };
    try {
        const found = await fetch(url, { headers });
        const size = (await found.arrayBuffer()).byteLength;
        return [found.status, size, found.headers.get("Content-Range"), found.headers.get("ETag") !== null];
    } catch (error) {
        return [error.name];
    }
}"""


def test_page_of_another_origin_in_chromium(server: Running, of_version_2: Served, tmp_path: Path) -> None:
    """The header Authorization makes the browser ask first, by a preflight."""
    (tmp_path / "index.html").write_text("<!DOCTYPE html><title>a viewer</title>")
    with web_server(tmp_path) as viewer, new_page() as page:
        page.goto(f"{viewer.url}/index.html")
        base, _, token = server.url.rpartition("/")
        size = (server.folder / "lat" / "c" / "0").stat().st_size
        assert page.evaluate(FETCH, [f"{base}/lat/c/0", token]) == [206, 4, f"bytes 0-3/{size}", True]
        assert page.evaluate(FETCH, [f"{of_version_2.url}/lat/0", token]) == ["TypeError"]  # without --cors

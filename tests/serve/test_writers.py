"""Several exzarr writers through one server: no update is lost."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import exzarr
from exzarr.errors import ReadOnlyError, UpdateUnsupportedError
from exzarr.serve import ServeOptions, background, snippets
from exzarr.serve.application import app_of
from exzarr.stores import HTTPOptions, ObjectStore
from tests.serve.writer import ROUNDS, WRITABLE, WRITERS, update

pytestmark = pytest.mark.slow


def run_processes(url: str) -> None:
    program = Path(__file__).with_name("writer.py")
    processes = [
        subprocess.Popen([sys.executable, str(program), url, str(number)]) for number in range(WRITERS)
    ]
    assert [process.wait(120) for process in processes] == [0] * WRITERS


def run_threads(url: str) -> None:
    with ThreadPoolExecutor(WRITERS) as pool:
        assert [*pool.map(update, [url] * WRITERS, range(WRITERS))] == [None] * WRITERS


@pytest.mark.parametrize(
    ("name", "run"), [("a.zarr", run_processes), ("a.sqlite", run_threads)], ids=["processes", "threads"]
)
def test_several_writers_lose_nothing(tmp_path: Path, name: str, run: Callable[[str], None]) -> None:
    place = tmp_path / name
    with background(place, ServeOptions(write=True)) as served:
        root = exzarr.open_group(served.url, mode="a", **WRITABLE)
        width = WRITERS * ROUNDS
        root.create_array("shared", shape=(8, width), chunks=(4, width), dtype="u1")
        root.create_array("counter", shape=(1,), chunks=(1,), dtype="u8", compressors=None)[:] = 7
        root.create_array("log", shape=(0,), chunks=(5,), dtype="i8")
        run(served.url)
    stored: dict[str, Any] = dict(exzarr.open_group(place, mode="r").items())
    expected = np.tile(np.tile(np.arange(1, WRITERS + 1), ROUNDS), (8, 1))
    np.testing.assert_array_equal(stored["shared"][:], expected)
    assert stored["counter"][0] == 7 + width
    assert sorted(stored["log"][:]) == [*range(width)]
    assert exzarr.check(place).ok


def test_writer_of_the_snippet_creates_changes_and_deletes(tmp_path: Path) -> None:
    with background(tmp_path / "a.zarr", ServeOptions(write=True, token="token-of-the-tests")) as served:
        names: dict[str, Any] = {}
        exec(snippets(served)["exzarr, for writing"], names)
        group = names["node"]
        values = np.arange(64 * 64, dtype="i4").reshape(64, 64)
        group["a b/ä"] = values
        group["a b/ä"][3:5, 7] = -1
        values[3:5, 7] = -1
        local = exzarr.open_array(tmp_path / "a.zarr", path="a b/ä", mode="r")
        np.testing.assert_array_equal(local[:], values)
        group["a b/ä"].append(values)
        assert exzarr.open_array(tmp_path / "a.zarr", path="a b/ä").shape == (128, 64)
        group.attrs["title"] = "new"
        assert exzarr.open(tmp_path / "a.zarr").attrs["title"] == "new"
        del group["a b"]
        assert [*exzarr.open_group(tmp_path / "a.zarr", mode="r")] == []


def test_server_takes_writes_only_if_both_sides_permit_them(tmp_path: Path) -> None:
    exzarr.save(tmp_path / "a.zarr", np.arange(3))
    options = ServeOptions(write=True)
    with (
        background(tmp_path / "a.zarr", options) as served,
        pytest.raises(ReadOnlyError, match="'writable': True"),
    ):
        exzarr.open(served.url, mode="r+")
    with background(tmp_path / "a.zarr") as served:
        array = exzarr.open_array(served.url, mode="r+", **WRITABLE)
        with pytest.raises(exzarr.StoreError, match="405"):
            array[:] = 5
    assert exzarr.open_array(tmp_path / "a.zarr")[:].tolist() == [0, 1, 2]


class IgnoresConditions:
    """An application that removes the conditions from requests, as servers do that do not know them."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        headers = [one for one in scope["headers"] if not one[0].startswith(b"if-")]
        await self.inner({**scope, "headers": headers}, receive, send)


def test_server_that_ignores_conditions_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exzarr.serve.server.app_of", lambda *args: IgnoresConditions(app_of(*args)))
    exzarr.save(tmp_path / "a.zarr", np.arange(4))
    with background(tmp_path / "a.zarr", ServeOptions(write=True)) as served:
        array = exzarr.open_array(served.url, mode="r+", **WRITABLE)
        array[:] = 7  # whole chunks need no condition
        with pytest.raises(UpdateUnsupportedError, match="If-Match"):
            array[1] = 5
        alone = ObjectStore(served.url, options=HTTPOptions(writable=True), single_writer=True)
        exzarr.open_array(alone)[1] = 6
    assert exzarr.open_array(tmp_path / "a.zarr")[:].tolist() == [7, 6, 7, 7]
    assert sorted(exzarr.stores.LocalStore(tmp_path / "a.zarr").list()) == ["c/0", "zarr.json"]


class LosesResponses:
    """An application whose first response to each conditional PUT is lost on its way."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.seen: set[bytes] = set()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        mark = dict(scope["headers"]).get(b"idempotency-key", b"")
        lost = scope["method"] == "PUT" and mark and mark not in self.seen
        self.seen.add(mark)

        async def kept(message: Any) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "status": 503, "headers": []}
            await send(message)

        await self.inner(scope, receive, kept if lost else send)


def test_put_whose_response_is_lost_is_carried_out_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("exzarr.serve.server.app_of", lambda *args: LosesResponses(app_of(*args)))
    exzarr.save(tmp_path / "a.zarr", np.arange(4))

    def doubled(value: Any) -> Any:
        data = bytearray(value.size)
        value.read_into(memoryview(data), 0)
        return [bytes(data) * 2]

    with background(tmp_path / "a.zarr", ServeOptions(write=True)) as served:
        store = ObjectStore(served.url, options=HTTPOptions(writable=True))
        store.put("x", b"ab")
        store.update("x", doubled)
        assert store.get("x") == b"abab"
        assert store.put_if_absent("y", b"1")
        assert not store.put_if_absent("y", b"2")

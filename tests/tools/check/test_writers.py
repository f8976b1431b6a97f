"""No false alarms while processes of three libraries write."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import exzarr
from exzarr.stores.memory import MemoryStore
from tests.tools.check.stores import make_old

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]

WRITER = """
import random, sys, warnings
warnings.simplefilter("ignore")
import numpy as np
import exzarr

kind, path, seed = sys.argv[1:]
rng = random.Random(int(seed))
root = exzarr.open_group(path, mode="r+")

def whole():
    array = root[rng.choice(["a", "s"])]
    y = rng.randrange(4) * 10
    array[y : y + 10] = rng.random()

def part():
    array = root[rng.choice(["a", "s"])]
    y, x = rng.randrange(38), rng.randrange(38)
    array[y : y + 2, x : x + 2] = rng.random()

def append():
    array = root["log"]
    array.refresh()
    array.append(np.full(rng.randrange(1, 300), rng.random()))

def resize():
    root["wobble"].resize((rng.randrange(1, 200), 6))
    array = root["wobble"].refresh()
    array[: array.shape[0] // 2] = rng.random()

def attributes():
    rng.choice([root, root["a"], root["g"]]).attrs[rng.choice("xyz")] = rng.random()

def nodes():
    name = f"g/{rng.choice('abc')}{seed}"
    if name in root and rng.random() < 0.5:
        del root[name]
    else:
        made = root.create_array(name, shape=(20,), chunks=(5,), dtype="f4", overwrite=True)
        made[...] = rng.random()

def copy():
    exzarr.copy(root["a"], root, path=f"g/copy{seed}", chunks=(5, 5), overwrite=True)

def zarr_python():
    import zarr
    theirs = zarr.open_array(path + "/theirs", mode="r+")
    if theirs.shape[0] > 200:
        theirs.resize((20,))
    theirs.append(np.full(rng.randrange(1, 30), 1.0))
    theirs[:5] = rng.random()

def tensorstore():
    import tensorstore
    spec = {"driver": "zarr3", "kvstore": {"driver": "file", "path": path + "/a/"}}
    array = tensorstore.open(spec).result()
    y = rng.randrange(40)
    array[y, 3:9] = rng.random()

do = globals()[kind]
do()
print("at work", flush=True)
done = 0
while True:
    do()
    done += 1
    if done % 10 == 0:
        print(done, flush=True)
"""
KINDS = ["whole", "part", "append", "resize", "attributes", "nodes", "copy", "zarr_python", "tensorstore"]
ONLY_UNSETTLED = {"EXZ105", "EXZ401", "EXZ402", "EXZ403", "EXZ501", "EXZ502", "EXZ602", "EXZ603", "EXZ604"}
"""Codes that may be unsettled, because several steps are involved. Chunks, shards and documents never are."""


def hierarchy(store: Any) -> None:
    root = exzarr.open_group(store, mode="w")
    for name, options in (("a", {}), ("s", {"shards": (20, 20)})):
        root.create_array(name, shape=(40, 40), chunks=(10, 10), dtype="f8", **options)[...] = 1.0  # type: ignore[arg-type]
    root.create_array("log", shape=(0,), chunks=(100,), dtype="f8")
    root.create_array("wobble", shape=(10, 6), chunks=(4, 3), dtype="f8")
    root.create_array("theirs", shape=(20,), chunks=(5,), dtype="f8", compressors=None)[...] = 1.0
    root.create_group("g")
    exzarr.consolidate_metadata(root)


@pytest.fixture
def writers(tmp_path: Path) -> Iterator[Path]:
    """A hierarchy with one writing process of each kind."""
    path = tmp_path / "s.zarr"
    hierarchy(path)
    make_old(path)
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, kind, str(path), str(seed)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        for seed, kind in enumerate(KINDS)
    ]
    try:
        for process, kind in zip(processes, KINDS, strict=True):
            assert process.stdout is not None
            assert process.stdout.readline() == "at work\n", kind
        yield path
        assert [process.poll() for process in processes] == [None] * len(processes)
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def test_no_false_alarm_while_nine_processes_write(writers: Path) -> None:
    chunks = 0
    for attempt in range(12):
        report = exzarr.check(writers, deep=attempt % 2 == 0)
        assert report.findings == (), str(report)
        assert {finding.code for finding in report.unsettled} <= ONLY_UNSETTLED, str(report)
        chunks += report.chunks
    assert chunks > 12 * 20


def test_damage_is_found_while_other_processes_write(writers: Path) -> None:
    key = "still/c/1"
    still = exzarr.create_array(writers, name="still", shape=(20,), chunks=(10,), dtype="i4")
    still[...] = np.arange(20)
    file = writers / key
    file.write_bytes(file.read_bytes()[:-1])
    for _ in range(3):
        report = exzarr.check(writers, deep=True)
        assert [(finding.code, finding.key) for finding in report.findings] == [("EXZ201", key)]


def test_no_false_alarm_while_threads_write_to_memory() -> None:
    store = MemoryStore()
    hierarchy(store)
    root = exzarr.open_group(store, mode="r+")
    stop = threading.Event()
    errors: list[BaseException] = []

    def append() -> None:
        root["log"].append(np.ones(5000))  # type: ignore[union-attr]

    def attributes() -> None:
        root["a"].attrs["n"] = threading.get_ident()

    def part() -> None:
        root["s"][3:25, 3:25] = 2.0  # type: ignore[index]

    def go_on(do: Any) -> None:
        try:
            while not stop.is_set():
                do()
        except BaseException as error:
            errors.append(error)
            raise

    threads = [threading.Thread(target=go_on, args=(do,)) for do in (append, attributes, part)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(5):
            report = exzarr.check(store, deep=True)
            assert report.findings == (), str(report)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not errors
    assert exzarr.check(store, deep=True, grace=0).findings == ()


class Pausing(MemoryStore):
    """A writer of the value at `key` pauses afterwards until it may continue."""

    def __init__(self, key: str) -> None:
        super().__init__()
        self.key = key
        self.paused, self.go_on = threading.Event(), threading.Event()
        self.armed = False

    def _pause(self, key: str) -> None:
        if self.armed and key == self.key:
            self.armed = False
            self.paused.set()
            assert self.go_on.wait(60)

    def update(self, key: str, change: Any) -> None:
        super().update(key, change)
        self._pause(key)

    def put_if_absent(self, key: str, value: Any) -> bool:
        made = super().put_if_absent(key, value)
        self._pause(key)
        return made


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("what", ["attributes", "resize", "create", "delete"])
def test_no_false_alarm_between_document_and_consolidated_metadata(what: str, zarr_format: Any) -> None:
    name = "zarr.json" if zarr_format == 3 else ".zarray"
    store = Pausing(f"{'b' if what == 'create' else 'a'}/{name}")
    root = exzarr.create_group(store, zarr_format=zarr_format)
    root.create_array("a", shape=(4,), chunks=(2,), dtype="i1")[...] = 1
    exzarr.consolidate_metadata(store)
    does: dict[str, Any] = {
        "attributes": lambda: root["a"].attrs.update(x=1),
        "resize": lambda: root.get_array("a").resize((9,)),
        "create": lambda: root.create_array("b", shape=(4,), dtype="i1", attributes={"x": 1}),
        "delete": lambda: root.__delitem__("a"),
    }
    store.armed = True
    thread = threading.Thread(target=does[what])
    thread.start()
    try:
        assert store.paused.wait(60)
        report = exzarr.check(store, deep=True)
        assert report.findings == (), str(report)
    finally:
        store.go_on.set()
        thread.join()
    assert exzarr.check(store, deep=True).findings == ()

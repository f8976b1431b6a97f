"""Several processes on one folder: no reader sees a partial value, and no process makes another fail."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from exzarr.stores.base import is_reserved
from exzarr.stores.local.store import LocalStore

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name != "posix", reason="signals")]

# A value encodes its length: byte i, (i + 1) * 1000 times.
PUT = """
import sys
from exzarr.stores.local.store import LocalStore
store, times = LocalStore(sys.argv[1]), int(sys.argv[2])
print("ready", flush=True)
for i in range(times):
    n = i % 50
    store.put("a/b/value", bytes([n]) * ((n + 1) * 1000))
"""

DELETE = """
import sys
from exzarr.stores.local.store import LocalStore
store = LocalStore(sys.argv[1])
print("ready", flush=True)
for i in range(int(sys.argv[2])):
    store.delete_prefix(["a", "a/b", ""][i % 3])
"""


def start(source: str, folder: Path, times: int) -> subprocess.Popen:
    command = [sys.executable, "-c", source, str(folder), str(times)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def end(process: subprocess.Popen) -> None:
    _, errors = process.communicate()
    assert (process.returncode, errors) == (0, "")


def is_whole(value) -> bool:
    return len(value) == (value[0] + 1) * 1000 and set(value) == {value[0]}


def test_reader_in_another_process_sees_complete_values(tmp_path):
    store = LocalStore(tmp_path)
    store.put("a/b/value", bytes(1000))
    writers = [start(PUT, tmp_path, 1500) for _ in range(2)]
    buffer = memoryview(bytearray(60_000))
    seen = set()
    while any(writer.poll() is None for writer in writers):
        n = store.read_into("a/b/value", buffer)
        assert is_whole(bytes(buffer[:n]))
        seen.add(n)
        assert is_whole(store.get("a/b/value"))
        opened = store.open_value("a/b/value")
        opened.read_into(buffer[: opened.size], 0)
        assert is_whole(bytes(buffer[: opened.size]))
        opened.close()
    for writer in writers:
        end(writer)
    assert len(seen) > 1
    assert [*store.list()] == ["a/b/value"]
    assert [path.name for path in (tmp_path / "a" / "b").iterdir()] == ["value"]


def test_writers_and_deleters_of_one_folder_do_not_make_each_other_fail(tmp_path):
    store = LocalStore(tmp_path)
    others = [start(PUT, tmp_path, 1000), start(DELETE, tmp_path, 1000), start(DELETE, tmp_path, 1000)]
    while any(other.poll() is None for other in others):
        value = store.get("a/b/value")
        assert value is None or is_whole(value)
        assert {*store.list()} <= {"a/b/value"}
        store.list_dir("a")
    for other in others:
        end(other)
    store.delete_prefix("")
    assert [*tmp_path.iterdir()] == []


def test_killed_writer_leaves_the_old_or_the_new_value(tmp_path):
    store = LocalStore(tmp_path)
    store.put("a/b/value", bytes(1000))
    for _ in range(15):
        writer = start(PUT, tmp_path, 1_000_000)
        before = store.get("a/b/value")
        while store.get("a/b/value") == before:
            pass
        writer.send_signal(signal.SIGKILL)
        writer.communicate()
        assert is_whole(store.get("a/b/value"))
        assert [*store.list()] == ["a/b/value"]
    assert all(p.name == "value" or is_reserved(p.name) for p in (tmp_path / "a" / "b").iterdir())

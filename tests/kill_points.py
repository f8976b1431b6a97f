"""Kill a process at every step that it takes in a folder: at each file that it opens, renames or removes."""

from __future__ import annotations

import os
import signal
import sys
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["kill_steps", "killed_at"]

KILLS = int(os.environ.get("EXZARR_TEST_KILLS", "12"))

_EVENTS = ("open", "os.rename", "os.remove", "os.link", "os.mkdir", "os.rmdir", "os.truncate")


def kill_steps(folder: Path, action: Callable[[], Any]) -> list[int]:
    """Run `action` in a child process, count its steps in `folder`, and return those at which to kill it.

    All of them if the variable EXZARR_TEST_KILLS is at least their number, else as many, evenly distributed.
    """
    read, write = os.pipe()
    status = _run(action, lambda: _watch(str(folder), lambda: os.write(write, b".")))
    os.close(write)
    assert status == 0, "the child failed: see its traceback"
    with os.fdopen(read, "rb") as pipe:
        count = len(pipe.read())
    return [*range(0, count, max(1, count // KILLS))]


def killed_at(step: int, folder: Path, action: Callable[[], Any]) -> bool:
    """Run `action` in a child process that is killed before its `step`-th step in `folder`.

    Return False if it ended before: the number of steps varies by a few.
    """
    left = step

    def count_down() -> None:
        nonlocal left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)

    status = _run(action, lambda: _watch(str(folder), count_down))
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return True
    assert status == 0, "the child failed: see its traceback"
    return False


def _run(action: Callable[[], Any], first: Callable[[], None]) -> int:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the test process has threads
        child = os.fork()
    if child == 0:
        try:
            first()
            action()
        except BaseException:  # noqa: BLE001 - pytest must not go on in the child
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1]


def _watch(folder: str, note: Callable[[], object]) -> None:
    def hook(event: str, args: tuple[Any, ...]) -> None:
        if event in _EVENTS and _touches(args, folder):
            note()

    sys.addaudithook(hook)


def _touches(args: tuple[Any, ...], folder: str) -> bool:
    # Names may be relative to an open folder. Reads of modules are absolute, and elsewhere.
    names = [os.fsdecode(arg) for arg in args[:2] if isinstance(arg, str | bytes | os.PathLike)]
    return any(name.startswith(folder) or not name.startswith("/") for name in names)

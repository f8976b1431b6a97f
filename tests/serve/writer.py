"""A writer through a server, as a function and as a program: ``writer.py URL NUMBER``."""

from __future__ import annotations

import sys
from typing import Any

import exzarr

__all__ = ["ROUNDS", "WRITABLE", "WRITERS", "update"]

WRITERS, ROUNDS = 3, 3
WRITABLE: Any = {"storage_options": {"writable": True}}


def update(url: str, number: int) -> None:
    """Change a part of every chunk, add to a counter, and append: what loses updates if two writers collide."""
    shared, counter, log = (
        exzarr.open_array(url, path=path, mode="r+", **WRITABLE) for path in ("shared", "counter", "log")
    )

    def one_more(value: Any) -> Any:
        data = bytearray(value.size)
        value.read_into(memoryview(data), 0)
        return [(int.from_bytes(data, "little") + 1).to_bytes(8, "little")]

    for turn in range(ROUNDS):
        shared[:, turn * WRITERS + number] = number + 1
        counter.store.update("counter/c/0", one_more)
        log.append([number * ROUNDS + turn])


if __name__ == "__main__":
    update(sys.argv[1], int(sys.argv[2]))

"""An array in the memory of one process raises a clear error when another process uses it; nothing hangs."""

from __future__ import annotations

import multiprocessing
import pickle
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import exzarr
from exzarr.errors import StoreError

REASON = "a MemoryStore lives in the process that made it"

USES = """
import pickle, sys
with open(sys.argv[1], "rb") as file:
    node = pickle.load(file)
uses = [
    lambda: node[0], lambda: node["a"], lambda: node.__setitem__(0, 1), lambda: len(node), lambda: [*node],
    lambda: node.shape, lambda: node.attrs, lambda: node.append([1]), lambda: 1 in node, lambda: node.store,
]
for use in uses:
    try:
        use()
    except OSError as error:
        assert type(error).__name__ == "StoreError" and REASON in str(error), error
    else:
        raise SystemExit("it was used")
assert not hasattr(node, "__dask_graph__")
assert REASON in repr(node)
with open(sys.argv[2], "wb") as file:
    pickle.dump(node, file)
"""


@pytest.mark.parametrize("kind", ["array", "group", "wrapped"])
def test_unpickled_node_fails_in_other_process_and_works_in_its_own(
    kind: str, tmp_path: Path, run_python: Callable[..., Any]
) -> None:
    store: Any = exzarr.MemoryStore()
    if kind == "wrapped":
        store = exzarr.stores.CountingStore(store)
    root = exzarr.create_group(store)
    array = root.create_array("a", data=np.arange(6), chunks=(2,))
    node = root if kind == "group" else array
    there, back = tmp_path / "there", tmp_path / "back"
    there.write_bytes(pickle.dumps(node))
    done = run_python(f"REASON = {REASON!r}\n" + USES, str(there), str(back))
    assert done.returncode == 0, done.stderr
    again: Any = pickle.loads(back.read_bytes())
    assert type(again).__name__ == type(node).__name__
    assert again.path == node.path
    if kind == "array":
        assert again == array
        again[:1] = 7
        assert int(array[0]) == 7


def write(target: Any) -> None:
    target[:] = 1


def test_process_pool_reports_unavailable_store() -> None:
    array = exzarr.zeros((4,), chunks=(2,))
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        with pytest.raises(StoreError, match=REASON):
            pool.submit(write, array).result(timeout=60)
        # The pool still works.
        assert pool.submit(len, [1]).result(timeout=60) == 1
    assert not array[...].any()


def test_closed_store_is_unavailable() -> None:
    array = exzarr.zeros((4,), chunks=(2,))
    data = pickle.dumps(array)
    assert pickle.loads(data) == array
    del array
    gone = pickle.loads(data)
    with pytest.raises(StoreError, match=REASON):
        gone[...]

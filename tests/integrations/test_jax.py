"""Batches as JAX arrays. JAX runs in processes of their own, because it makes later forks of this one unsafe."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import exzarr
from exzarr.errors import MissingDependencyError
from tests.engine.tools import numbered

needs_jax = pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="JAX is not installed")

IN_JAX = """
import sys
import jax, numpy as np
import exzarr
from exzarr.errors import ArgumentError

images = exzarr.open_array(sys.argv[1])
data = images[...]

def fails(batches, message):
    try:
        next(iter(exzarr.to_jax(batches)))
    except ArgumentError as error:
        assert message in str(error), error
    else:
        raise AssertionError("no error")

for shuffle in (False, "window", "full"):
    loader = exzarr.batches({"x": images, "y": np.arange(100, dtype="i4")}, 16, shuffle=shuffle, seed=3)
    rows = [*loader.indices()]
    found = exzarr.to_jax(loader)
    assert len(found) == len(rows) == 7
    for some, batch in zip(rows, found, strict=True):
        assert all(isinstance(array, jax.Array) for array in batch.values())
        np.testing.assert_array_equal(batch["y"], some)
        np.testing.assert_array_equal(batch["x"], data[some])
    assert found.epoch == 1

# No copy: JAX's array has the address of the batch.
for batch in exzarr.batches((images, np.arange(100, dtype="f4")), 16, shuffle="full"):
    for array in batch:
        assert jax.device_put(array).unsafe_buffer_pointer() == array.ctypes.data
        assert jax.dlpack.from_dlpack(array).unsafe_buffer_pointer() == array.ctypes.data

# A pass resumes, on a device or with a sharding.
loader = exzarr.to_jax(exzarr.batches(images, 16), device=jax.devices()[0])
for step, batch in enumerate(loader):
    assert batch.devices() == {jax.devices()[0]}
    if step == 2:
        break
again = exzarr.to_jax(
    exzarr.batches(images, 16), device=jax.sharding.SingleDeviceSharding(jax.devices()[0])
)
again.load_state_dict(loader.state_dict())
np.testing.assert_array_equal(np.concatenate([*again]), data[48:])
again.set_epoch(5)
assert again.epoch == 5

# 64-bit integers are converted if they fit.
small = exzarr.to_jax(exzarr.batches(np.arange(10), 10))
assert next(iter(small)).dtype == "int32"
fails(exzarr.batches(np.arange(10) + 2**31, 10), "do not fit in int32")
fails(exzarr.batches(np.array(["a", "b"]), 2), "JAX has no data type <U1")
fails(exzarr.batches(np.array([1, 2], ">f4"), 2), "JAX has no data type >f4")
fails(exzarr.batches(np.zeros(2, "M8[s]"), 2), "JAX has no data type datetime64[s]")
try:
    exzarr.to_jax([])
except ArgumentError as error:
    assert "not list" in str(error)
print("done")
"""


@needs_jax
@pytest.mark.slow
def test_batches_of_jax_arrays(tmp_path: Path, run_python: Callable[..., Any]) -> None:
    exzarr.create_array(tmp_path / "x.zarr", data=numbered((100, 3)).astype("f4"), chunks=(8, 3))
    done = run_python(IN_JAX, str(tmp_path / "x.zarr"))
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr


def test_batches_support_dlpack() -> None:
    for batch in exzarr.batches((np.arange(10), exzarr.array(numbered((10, 2)), chunks=(3, 2))), 4):
        for array in batch:
            other = np.from_dlpack(array)
            assert np.shares_memory(other, array)


def test_missing_jax_error_names_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jax", None)
    with pytest.raises(MissingDependencyError, match=r"exzarr\[jax\]"):
        exzarr.to_jax(exzarr.batches(np.arange(4), 2))

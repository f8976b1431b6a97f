"""Memory for chunks: large pieces are mapped separately and returned immediately."""

from __future__ import annotations

import os
import pickle
import sys
from pathlib import Path

import numpy as np
import pytest

from exzarr._stream.memory import MAPPED_NBYTES, SMALL_NBYTES, copied, fresh, fresh_array, mapped_from

MIB = 1 << 20


@pytest.mark.parametrize("nbytes", [0, 1, MAPPED_NBYTES - 1, MAPPED_NBYTES, MAPPED_NBYTES + 4097])
def test_memory_may_be_written_to(nbytes: int) -> None:
    memory = fresh(nbytes)
    assert memory.dtype == np.uint8
    assert memory.nbytes == nbytes
    memory[...] = 7
    assert (memory == 7).all()


@pytest.mark.parametrize(
    "dtype", ["f8", "M8[s]", "U3", [("a", "f4"), ("b", "i2")], object, np.dtypes.StringDType()]
)
@pytest.mark.parametrize("shape", [(), (0, 3), (5,), (300, 7000)])
def test_arrays_of_every_type_and_shape(dtype: object, shape: tuple[int, ...]) -> None:
    wanted = np.dtype(dtype)  # type: ignore[call-overload]
    array = fresh_array(shape, wanted)
    assert (array.dtype, array.shape) == (wanted, shape)
    assert array.flags.c_contiguous
    assert array.flags.writeable
    array[...] = np.zeros((), wanted)
    assert copied(array.T).shape == shape[::-1]
    assert copied(array.T).flags.c_contiguous


def test_a_large_window_is_mapped_from_smaller_chunks_on() -> None:
    assert mapped_from(8 * MIB) == MAPPED_NBYTES
    assert mapped_from(1000 * MIB) == SMALL_NBYTES


def test_arrays_outlive_their_buffer_and_pickle() -> None:
    array = fresh_array((MAPPED_NBYTES,), np.dtype("u1"))
    array[...] = 3
    view = array[5:9]
    del array
    assert view.tolist() == [3, 3, 3, 3]
    assert pickle.loads(pickle.dumps(view)).tolist() == [3, 3, 3, 3]


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")
def test_large_memory_is_returned_immediately() -> None:
    def resident() -> int:
        text = Path("/proc/self/status").read_text()
        return 1024 * next(int(line.split()[1]) for line in text.splitlines() if line.startswith("VmRSS"))

    before = resident()
    arrays = [copied(np.ones(8 * MIB, "u1")) for _ in range(8)]
    assert resident() - before > 60 * MIB
    del arrays[::2]
    assert resident() - before < 40 * MIB
    assert len(arrays) == 4


@pytest.mark.skipif(sys.platform == "win32", reason="needs os.fork")
def test_a_forked_child_has_its_own() -> None:
    array = fresh_array((MAPPED_NBYTES,), np.dtype("u1"))
    array[...] = 1
    child = os.fork()
    if child == 0:
        array[...] = 2
        os._exit(0)
    os.waitpid(child, 0)
    assert (array == 1).all()

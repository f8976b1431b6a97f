"""Batches in TensorFlow, by DLPack. The set-up does not install TensorFlow: it takes 1.6 GB. ::

.venv/bin/python -m pip install tensorflow-cpu
make test ARGS=tests/integrations/test_tensorflow.py
"""

from __future__ import annotations

import os

import numpy as np
import pytest

import exzarr

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
tf = pytest.importorskip("tensorflow", reason="TensorFlow is not installed")


def test_tensorflow_uses_the_memory_of_a_batch() -> None:
    stored = exzarr.create_array(
        exzarr.stores.MemoryStore(), data=np.arange(4000, dtype="f4").reshape(1000, 4), chunks=(50, 4)
    )
    for batch in exzarr.batches(stored, 100, shuffle="window", seed=1):
        tensor = tf.experimental.dlpack.from_dlpack(batch.__dlpack__())
        batch[0, 0] = -5
        np.testing.assert_array_equal(tensor.numpy(), batch)


@pytest.mark.parametrize("dtype", ["bool", "u1", "i2", "i8", "f2", "f8", "c8"])
def test_tensorflow_takes_batches_of_each_data_type(dtype: str) -> None:
    data = np.arange(400).reshape(100, 4).astype(dtype)
    for start, batch in enumerate(exzarr.batches(data, 25)):
        tensor = tf.experimental.dlpack.from_dlpack(batch.__dlpack__())
        np.testing.assert_array_equal(tensor.numpy(), data[25 * start : 25 * start + 25])

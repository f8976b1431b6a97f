"""exzarr.gallery.blas compared with threadpoolctl."""

from __future__ import annotations

import numpy as np
import pytest

from exzarr.gallery.blas import single_threaded_blas

threadpoolctl = pytest.importorskip("threadpoolctl")


def threads() -> set[int]:
    return {one["num_threads"] for one in threadpoolctl.threadpool_info() if one["user_api"] == "blas"}


def test_single_threaded_blas_restores_the_thread_count() -> None:
    np.ones((2, 2)) @ np.ones((2, 2))
    if not threads():
        pytest.skip("this NumPy has no BLAS whose threads can be set")
    with threadpoolctl.threadpool_limits(2, user_api="blas"):
        before = threads()
        with single_threaded_blas():
            assert threads() == {1}
            with single_threaded_blas():
                assert threads() == {1}
            assert threads() == {1}
        with pytest.raises(KeyError), single_threaded_blas():
            raise KeyError
        assert threads() == before

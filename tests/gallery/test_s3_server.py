"""A local S3 server: real HTTP, separate buckets, and no process left at the end."""

from __future__ import annotations

import gc
import urllib.error
import urllib.request

import numpy as np
import pytest

pytest.importorskip("moto", reason="needs moto: pip install 'exzarr[gallery]'")
pytest.importorskip("obstore", reason="needs obstore: pip install 'exzarr[remote]'")

import exzarr
from exzarr.gallery.s3_server import LocalS3


def test_server_has_separate_buckets_and_stops_at_exit() -> None:
    with LocalS3() as s3:
        first, second = s3.store("a"), s3.store("a")
        exzarr.create_array(first, data=np.arange(10), chunks=4)
        np.testing.assert_array_equal(exzarr.open_array(first, mode="r")[...], np.arange(10))
        assert first.url != second.url
        assert [*second.list()] == []
        assert "not-a-secret" not in repr(s3.options)
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(s3.endpoint, timeout=5)


def test_server_stops_when_it_is_garbage_collected() -> None:
    s3 = LocalS3()
    endpoint = s3.endpoint
    del s3
    gc.collect()
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(endpoint, timeout=5)

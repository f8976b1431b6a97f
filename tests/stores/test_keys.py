"""Valid and invalid keys."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from exzarr.errors import InvalidKeyError
from exzarr.stores.base import check_key, is_reserved, resolve_range
from exzarr.stores.local.windows import check_windows_key
from exzarr.testing.store_keys import BAD_KEYS, UNUSUAL_KEYS


@pytest.mark.parametrize("key", BAD_KEYS, ids=repr)
def test_invalid_keys_raise_and_the_message_has_the_key(key):
    for check in (check_key, check_windows_key):
        with pytest.raises(InvalidKeyError, match="invalid key") as caught:
            check(key)
        assert repr(key) in str(caught.value)


@pytest.mark.parametrize(
    "key", [*UNUSUAL_KEYS, "a/c/0/1/2", ".zarray", "a/.zattrs", "a.b/c..d", "a/..b", "c"]
)
def test_valid_keys_are_returned(key):
    assert check_key(key) is key


@given(key=st.text(alphabet="a./\\\0", max_size=8))
def test_key_is_valid_if_and_only_if_each_part_is_a_name(key):
    good = all(part not in ("", ".", "..") and "\0" not in part for part in key.split("/"))
    try:
        assert check_key(key) == key
        assert good
    except InvalidKeyError:
        assert not good


@pytest.mark.parametrize(
    "key",
    [
        ".. ",
        "a/.. /b",
        "a.",
        "a /b",
        "...",
        "C:x",
        "a/b:stream",
        "nul",
        "a/CON",
        "com1.txt",
        "a?",
        'a"b',
        "a\nb",
    ],
)
def test_windows_refuses_names_of_devices_and_streams(key):
    check_key(key)
    with pytest.raises(InvalidKeyError, match="Windows"):
        check_windows_key(key)


def test_windows_accepts_zarr_keys():
    for key in ("zarr.json", "a/c/0/1/2", ".zarray", "a/0.1.2", "console/x", "é/a b"):
        assert check_windows_key(key) == key


def test_reserved_names_begin_with_a_dot_and_contain_exzarr():
    assert is_reserved(".exzarr-lock")
    assert is_reserved(".1-2-3.exzarr-tmp")
    assert not is_reserved("exzarr-tmp")
    assert not is_reserved("a.exzarr-tmp")
    assert not is_reserved(".zarray")


@given(size=st.integers(0, 20), start=st.integers(-30, 30), length=st.none() | st.integers(0, 30))
def test_ranges_resolve_as_slices_do(size, start, length):
    value = bytes(range(size))
    expected = value[start:] if start >= 0 or -start <= size else value
    if length is not None:
        expected = expected[:length]
    begin, end = resolve_range((start, length), size)
    assert value[begin:end] == expected
    assert 0 <= begin <= max(begin, end) <= size

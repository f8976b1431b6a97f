"""Malicious and damaged zip files raise only ExzarrError and use little memory."""

from __future__ import annotations

import struct
import tracemalloc
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, strategies as st

from exzarr.errors import ExzarrError, InvalidKeyError, StoreError, UnsupportedError
from exzarr.stores.zip.store import ZipStore
from tests.breadth import examples

CENTRAL = b"PK\x01\x02"


def archive_of(path: Path, values: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytearray:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, value in values.items():
            archive.writestr(name, value)
    return bytearray(path.read_bytes())


def patched(path: Path, data: bytearray, offset: int, value: bytes) -> ZipStore:
    """Return the store of `data` with `value` at `offset` in its first directory entry."""
    at = data.index(CENTRAL) + offset
    data[at : at + len(value)] = value
    path.write_bytes(data)
    return ZipStore(path)


def read_in_every_way(store: ZipStore) -> None:
    for key in [*store.list(), "a"]:
        for way in (
            lambda key: store.get(key),
            lambda key: store.get(key, (1, 5)),
            lambda key: store.get(key, (-5, None)),
            lambda key: store.read_into(key, memoryview(bytearray(2000))),
            lambda key: store.read_into(key, memoryview(bytearray(2000)), 7),
            lambda key: store.size(key),
            lambda key: store.open_value(key),
        ):
            try:
                way(key)
            except ExzarrError:
                pass
    store.list_dir()


@pytest.mark.parametrize("name", ["/etc/passwd", "../x", "a/../../x", "a//b", ".", "..", "a/./b"])
def test_names_that_lead_out_of_the_archive_are_ignored(tmp_path, name):
    archive_of(tmp_path / "x.zip", {name: b"bad", "good": b"1"})
    with ZipStore(tmp_path / "x.zip") as store:
        assert [*store.list()] == ["good"]
        with pytest.raises(InvalidKeyError):
            store.get(name)


@pytest.mark.parametrize(
    "method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
)
def test_flipped_bit_in_a_member_is_detected(tmp_path, method):
    data = archive_of(tmp_path / "x.zip", {"k": bytes(range(256)) * 4}, method)
    data[30 + 1 + 15] ^= 0x10
    (tmp_path / "x.zip").write_bytes(data)
    with ZipStore(tmp_path / "x.zip") as store:
        with pytest.raises(StoreError, match="'k'"):
            store.get("k")
        with pytest.raises(StoreError, match="'k'"):
            store.read_into("k", memoryview(bytearray(1024)))


@pytest.mark.slow
@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_zip_bomb_is_refused_before_decompression(tmp_path, method):
    """100 MiB of zeros in a few hundred bytes (bzip2) to a hundred kilobytes (deflate)."""
    archive_of(tmp_path / "x.zip", {"k": bytes(100 << 20)}, method)
    # The size in the directory is wrong, too: a hundred times the real size, or another size.
    for claim in (0xFFFF_FFF0, 1000):
        data = bytearray((tmp_path / "x.zip").read_bytes())
        store = patched(tmp_path / "y.zip", data, 24, struct.pack("<I", claim))
        tracemalloc.start()
        with pytest.raises(StoreError):
            store.get("k")
        with pytest.raises(StoreError):
            store.get("k", (0, 10))
        with pytest.raises(StoreError):
            store.open_value("k")
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 4 << 20
        store.close()


def test_stored_member_with_a_huge_size_is_refused(tmp_path):
    for size in (1 << 30, 0xFFFF_FFF0):
        data = archive_of(tmp_path / "x.zip", {"k": b"small"})
        store = patched(tmp_path / "x.zip", data, 20, struct.pack("<II", size, size))
        assert store.size("k") == size
        with pytest.raises(StoreError, match="past the end"):
            store.get("k")
        with pytest.raises(StoreError, match="past the end"):
            store.get("k", (0, 4))
        with pytest.raises(StoreError, match="past the end"):
            store.read_into("k", memoryview(bytearray(4)))
        with pytest.raises(StoreError, match="past the end"):
            store.open_value("k")


def test_member_with_an_invalid_offset_is_refused(tmp_path):
    for offset in (1, 1000, 0xFFFF_FFF0):
        data = archive_of(tmp_path / "x.zip", {"k": b"small"})
        try:
            store = patched(tmp_path / "x.zip", data, 42, struct.pack("<I", offset))
        except StoreError:
            continue
        with pytest.raises(StoreError, match="no member starts"):
            store.get("k")


def test_an_encrypted_member_is_unsupported(tmp_path):
    data = archive_of(tmp_path / "x.zip", {"k": b"small"})
    with pytest.raises(UnsupportedError, match="encrypted"):
        patched(tmp_path / "x.zip", data, 8, struct.pack("<H", 1)).get("k")


def test_an_unknown_compression_is_an_error(tmp_path):
    data = archive_of(tmp_path / "x.zip", {"k": b"small"})
    with pytest.raises(UnsupportedError, match=r"'k'.*method 77"):
        patched(tmp_path / "x.zip", data, 10, struct.pack("<H", 77)).get("k")


@pytest.mark.parametrize("data", [b"", b"PK", b"not a zip file at all" * 100, b"PK\x05\x06" + bytes(17)])
def test_file_that_is_not_a_zip_raises(tmp_path, data):
    (tmp_path / "x.zip").write_bytes(data)
    with pytest.raises(StoreError, match="no zip file"):
        ZipStore(tmp_path / "x.zip")


def test_truncated_archive_raises(tmp_path):
    data = archive_of(tmp_path / "x.zip", {"a": b"0123456789" * 5, "b/c": b"x"}, zipfile.ZIP_DEFLATED)
    for end in range(len(data)):
        (tmp_path / "y.zip").write_bytes(data[:end])
        with pytest.raises(StoreError):
            ZipStore(tmp_path / "y.zip")


@pytest.fixture(scope="module")
def seeds(tmp_path_factory):
    folder = tmp_path_factory.mktemp("zips")
    values = {"a": b"0123456789" * 20, "b/c": bytes(500), "é": b""}
    return folder, [
        bytes(archive_of(folder / "seed.zip", values, method))
        for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
    ]


@examples(50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damage_raises_only_exzarr_errors(seeds, data):
    folder, archives = seeds
    archive = bytearray(data.draw(st.sampled_from(archives)))
    directory = archive.index(CENTRAL)
    for _ in range(data.draw(st.integers(1, 4))):
        low = data.draw(st.sampled_from([0, directory]))
        at = data.draw(st.integers(low, len(archive) - 1))
        archive[at : at + 4] = data.draw(st.binary(min_size=1, max_size=4))
    path = folder / "damaged.zip"
    path.write_bytes(archive)
    try:
        store = ZipStore(path)
    except ExzarrError:
        return
    read_in_every_way(store)
    store.close()

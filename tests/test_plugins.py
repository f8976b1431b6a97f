"""Packages add codecs, stores, data types, chunk key encodings and chunk grids. Each test installs real packages."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import exzarr
from exzarr import _plugins, registry
from exzarr._format import v3_alike, v3_known
from exzarr._format.extensions import CHUNK_GRIDS
from exzarr.errors import ArgumentError, ExzarrError, MetadataError, PluginError, StoreError, UnsupportedError

Install = Callable[..., Path]

MODULE = '''
from dataclasses import dataclass
from typing import ClassVar
import numpy as np
from exzarr.codecs.base import BytesBytesCodec
from exzarr.codecs._config import Configured
from exzarr.errors import MetadataError
from exzarr.registry import ChunkGridExtension, ChunkKeyEncodingExtension, DataTypeExtension
from exzarr.stores import LocalStore

@dataclass(frozen=True)
class Inverted(Configured, BytesBytesCodec):
    """A codec that inverts every bit."""
    name: ClassVar[str] = "plugged.inverted"
    def encode(self, data): return bytes(255 - byte for byte in bytes(data))
    def decode(self, data, size, limit): return self.encode(data)
    def encoded_size(self, size): return size

@dataclass(frozen=True)
class Celsius(DataTypeExtension):
    """Hundredths of a degree, with fill values in degrees."""
    name: ClassVar[str] = "plugged.celsius"
    bits: int = 16
    def __post_init__(self):
        if self.bits not in (16, 32): raise MetadataError(f"bits must be 16 or 32, not {self.bits!r}")
    def to_config(self): return {"bits": self.bits}
    @property
    def dtype(self): return np.dtype(f"i{self.bits // 8}")
    def default_fill(self): return -32768
    def fill_from_json(self, json): return round(json["degrees"] * 100)
    def fill_to_json(self, value): return {"degrees": int(value) / 100}

@dataclass(frozen=True)
class Suffix(ChunkKeyEncodingExtension):
    """Keys such as ``0-1.bin``."""
    name: ClassVar[str] = "plugged.suffix"
    suffix: str = ".bin"
    def to_config(self): return {"suffix": self.suffix}
    def encode(self, index): return "-".join(map(str, index)) + self.suffix
    def decode(self, key, ndim):
        head = key.removesuffix(self.suffix)
        parts = head.split("-") if head else []
        return tuple(map(int, parts)) if all(part.isdigit() for part in parts) and len(parts) == ndim else None

MONTHS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]

@dataclass(frozen=True)
class Months(ChunkGridExtension):
    """Chunks of one month along the first dimension, for years of 365 days."""
    name: ClassVar[str] = "plugged.months"
    rest: int = 4
    def to_config(self): return {"rest": self.rest}
    def chunk_sizes(self, shape):
        years = -(-max(1, shape[0]) // 365)
        return [MONTHS * years, *[self.rest] * (len(shape) - 1)]

def open_url(url, *, mode, storage_options):
    return LocalStore(url.removeprefix("plugged://"), read_only=mode == "r"), storage_options.get("path", "")
'''

POINTS = """
[exzarr.codecs]
plugged.inverted = plugged_package:Inverted
[exzarr.data_types]
plugged.celsius = plugged_package:Celsius
[exzarr.chunk_key_encodings]
plugged.suffix = plugged_package:Suffix
[exzarr.chunk_grids]
plugged.months = plugged_package:Months
[exzarr.stores]
plugged = plugged_package:open_url
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Install packages for one test: a module, and a .dist-info folder with entry points."""
    before = {*sys.modules}
    for point in (*registry._POINTS,):
        monkeypatch.setattr(point, "registered", {})
    monkeypatch.setattr(exzarr.codecs.registry, "_classes", {})
    monkeypatch.setattr(_plugins, "_loaded", {})

    def install(name: str, entry_points: str, source: str | None = None) -> Path:
        site = tmp_path / f"site-{name}"
        info = site / f"{name}-1.5.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.5\n")
        (info / "entry_points.txt").write_text(entry_points)
        if source is not None:
            (site / f"{name}.py").write_text(source)
        monkeypatch.syspath_prepend(site)
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")]))
        return site

    yield install
    v3_known.forget()
    v3_alike.forget()
    for module in {*sys.modules} - before:
        if getattr(sys.modules[module], "__file__", "").startswith(str(tmp_path)):
            del sys.modules[module]


@pytest.fixture
def plugged(install: Install) -> Path:
    return install("plugged_package", POINTS, MODULE)


ALL = {
    "dtype": {"name": "plugged.celsius", "configuration": {"bits": 32}},
    "chunks": {"name": "plugged.months", "configuration": {"rest": 2}},
    "chunk_key_encoding": {"name": "plugged.suffix", "configuration": {"suffix": ".raw"}},
    "compressors": ["plugged.inverted"],
    "fill_value": -100,
}


def make(path: Path, **options: Any) -> tuple[exzarr.Array, np.ndarray[Any, Any]]:
    values = np.arange(400 * 5, dtype="i4").reshape(400, 5)
    made: Any = {**ALL, "dimension_names": ("time", "x"), **options}
    array = exzarr.create_array(f"plugged://{path}", shape=(400, 5), **made)
    array[...] = values
    return array, values


# -- all kinds together ----------------------------------------------------------------------


def test_an_array_of_plugged_types_reads_back(plugged: Path, tmp_path: Path) -> None:
    array, values = make(tmp_path / "a")
    document = json.loads((tmp_path / "a" / "zarr.json").read_text())
    assert document["data_type"] == ALL["dtype"]
    assert document["chunk_grid"] == ALL["chunks"]
    assert document["chunk_key_encoding"] == ALL["chunk_key_encoding"]
    assert document["codecs"][-1] == {"name": "plugged.inverted"}
    assert document["fill_value"] == {"degrees": -1.0}
    assert (tmp_path / "a" / "12-2.raw").exists()
    stored = bytes(255 - np.frombuffer((tmp_path / "a" / "1-1.raw").read_bytes(), "u1"))
    assert np.frombuffer(stored, "<i4").reshape(28, 2).tolist() == values[31:59, 2:4].tolist()

    again = exzarr.open_array(f"plugged://{tmp_path}/a", mode="r")
    assert again[...].tolist() == values.tolist()
    assert again[::-7, 3].tolist() == values[::-7, 3].tolist()
    assert again.metadata == array.metadata
    with pytest.raises(exzarr.ReadOnlyError):
        again[0] = 1
    array[40] = 7
    assert again[40].tolist() == [7] * 5


def test_reports_work_on_plugged_types(plugged: Path, tmp_path: Path) -> None:
    array, _ = make(tmp_path / "a")
    assert "plugged.celsius" in str(array.info)
    assert "plugged.inverted" in str(array.info)
    assert array._repr_html_()
    assert array.explain[0:60].chunks == 9  # three months, three columns
    assert "chunks" in str(array.explain[0:60])
    assert array.write_chunk_sizes[0][:3] == (31, 28, 31)
    (tmp_path / "a" / "0-0.raw").unlink()
    assert array[0, 0] == -100  # the fill value
    (tmp_path / "a" / "1-1.raw").write_bytes(b"short")
    report = exzarr.check(tmp_path / "a", deep=True, grace=0)
    assert [finding.key for finding in report.findings] == ["1-1.raw"]


def test_resize_and_append_keep_plugged_chunks(plugged: Path, tmp_path: Path) -> None:
    array, values = make(tmp_path / "a")
    array.append(values[:10])
    assert array.shape == (410, 5)
    array.resize((900, 5))
    assert array.write_chunk_sizes[0][24:27] == (31, 28, 31)
    assert array[:400].tolist() == values.tolist()
    assert array[400:410].tolist() == values[:10].tolist()
    assert (array[410:] == -100).all()


def test_copies_keep_or_replace_plugged_types(plugged: Path, tmp_path: Path) -> None:
    array, values = make(tmp_path / "a")
    exzarr.copy(array, tmp_path / "same")
    assert exzarr.open_array(tmp_path / "same").metadata == array.metadata
    exzarr.copy(array, tmp_path / "zstd", compressors="zstd")
    assert exzarr.open_array(tmp_path / "zstd").metadata.chunk_grid == array.metadata.chunk_grid
    exzarr.copy(array, tmp_path / "plain", dtype="i4", chunks=(100, 5), compressors="zstd")
    assert exzarr.checksum(tmp_path / "plain").hexdigest == exzarr.checksum(array).hexdigest
    assert exzarr.open_array(tmp_path / "plain")[...].tolist() == values.tolist()
    with pytest.raises(ArgumentError, match=r"plugged\.celsius.*format 2"):
        exzarr.copy(array, tmp_path / "v2", zarr_format=2, chunks=(100, 5), compressors=None)
    like = exzarr.zeros_like(array)
    assert like.metadata.chunk_grid == array.metadata.chunk_grid
    assert like.metadata.data_type == array.metadata.data_type


def test_consolidated_documents_hold_plugged_types(plugged: Path, tmp_path: Path) -> None:
    exzarr.open_group(tmp_path / "g", mode="w")
    _, values = make(tmp_path / "g" / "a")
    exzarr.consolidate_metadata(tmp_path / "g")
    root = exzarr.open_group(tmp_path / "g", mode="r", use_consolidated=True)
    array: Any = root["a"]
    assert array[...].tolist() == values.tolist()
    assert "celsius" in str(array.info)


def test_plugged_arrays_pickle_and_run_in_processes(plugged: Path, tmp_path: Path) -> None:
    array, values = make(tmp_path / "a")
    assert pickle.loads(pickle.dumps(array))[...].tolist() == values.tolist()
    total = array.parallel_chunk_map(_sum, executor="processes", workers=1, reduce=_add)
    assert total == values.sum()


def _sum(chunk: Any) -> int:
    return int(chunk.sum())


def _add(a: int, b: int) -> int:
    return a + b


def test_shards_of_a_plugged_grid(plugged: Path, tmp_path: Path) -> None:
    shards = {"name": "plugged.fortnights", "configuration": {}}
    with pytest.raises(UnsupportedError, match="plugged.fortnights"):
        exzarr.create_array(tmp_path / "no", shape=(400,), chunks=(7,), shards=shards, dtype="i4")
    with pytest.raises(ArgumentError, match="not whole chunks of 7"):
        exzarr.create_array(
            tmp_path / "no", shape=(400,), chunks=(7,), shards={"name": "plugged.months"}, dtype="i4"
        )
    assert not (tmp_path / "no").exists()
    array = exzarr.create_array(
        tmp_path / "s", shape=(400,), chunks=(1,), shards={"name": "plugged.months"}, dtype="i4"
    )
    array[...] = np.arange(400)
    assert exzarr.open_array(tmp_path / "s")[30:33].tolist() == [30, 31, 32]


def test_objects_of_extensions_are_arguments(plugged: Path, tmp_path: Path) -> None:
    import plugged_package as ours  # type: ignore[import-not-found]

    _, values = make(
        tmp_path / "a", dtype=ours.Celsius(32), chunks=ours.Months(3), chunk_key_encoding=ours.Suffix(".x"),
        compressors=[ours.Inverted()],
    )  # fmt: skip
    assert exzarr.open_array(tmp_path / "a")[...].tolist() == values.tolist()
    assert (tmp_path / "a" / "0-1.x").exists()
    assert exzarr.empty(shape=(3,), dtype="plugged.celsius").fill_value == -32768


def test_invalid_configurations_raise_metadata_errors(plugged: Path, tmp_path: Path) -> None:
    make(tmp_path / "a")
    path = tmp_path / "a" / "zarr.json"
    good = json.loads(path.read_text())
    for member, bad in {
        "data_type": {"name": "plugged.celsius", "configuration": {"bits": 8}},
        "chunk_grid": {"name": "plugged.months", "configuration": {"rest": -1}},
        "chunk_key_encoding": {"name": "plugged.suffix", "configuration": {"nope": 1}},
        "codecs": [
            {"name": "bytes", "configuration": {"endian": "little"}},
            {"name": "plugged.inverted", "configuration": {"x": 1}},
        ],
        "fill_value": "nothing",
    }.items():
        path.write_text(json.dumps({**good, member: bad}))
        with pytest.raises(MetadataError):
            exzarr.open_array(tmp_path / "a")[...]


@pytest.mark.parametrize("suffix", ["/../x", "/zarr.json", "/", ""])
def test_keys_that_leave_the_array_are_refused(plugged: Path, tmp_path: Path, suffix: str) -> None:
    encoding = {"name": "plugged.suffix", "configuration": {"suffix": suffix}}
    array = exzarr.create_array(tmp_path / "a", shape=(), dtype="i4", chunk_key_encoding=encoding)
    with pytest.raises(MetadataError, match=r"plugged\.suffix"):
        array[...] = 1
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["zarr.json"]


def test_a_grid_that_moves_chunks_cannot_be_resized(install: Install, tmp_path: Path) -> None:
    class Halves(registry.ChunkGridExtension):
        name = "halves"

        def chunk_sizes(self, shape: tuple[int, ...]) -> list[list[int]]:
            return [[n // 2, n - n // 2] for n in shape]

    registry.register_chunk_grid("halves", Halves)
    array = exzarr.create_array(tmp_path / "a", shape=(10,), dtype="i4", chunks=Halves())
    array[...] = np.arange(10)
    with pytest.raises(MetadataError, match=r"halves.*would change existing chunks"):
        array.resize((20,))
    assert exzarr.open_array(tmp_path / "a")[...].tolist() == [*range(10)]


# -- faults of packages -----------------------------------------------------------------------


def test_another_registration_applies_to_documents_that_were_parsed(plugged: Path, tmp_path: Path) -> None:
    make(tmp_path / "a")
    assert exzarr.open_array(f"plugged://{tmp_path}/a").cdata_shape == (14, 3)
    months = CHUNK_GRIDS.find("plugged.months")
    assert months is not None

    def chunk_sizes(grid: Any, shape: tuple[int, ...]) -> list[int]:
        return [365, *[grid.rest] * (len(shape) - 1)]

    registry.register_chunk_grid("plugged.months", type("Years", (months,), {"chunk_sizes": chunk_sizes}))
    assert exzarr.open_array(f"plugged://{tmp_path}/a").cdata_shape == (2, 3)
    document = tmp_path / "a" / "zarr.json"
    document.write_text(json.dumps({**json.loads(document.read_text()), "attributes": {"n": 1}}))
    assert exzarr.open_array(f"plugged://{tmp_path}/a").cdata_shape == (2, 3)


def test_a_package_that_fails_to_import_is_named(install: Install, plugged: Path) -> None:
    install("broken", "[exzarr.codecs]\nbroken.codec = broken:Codec\n", "import no_such_library")
    with pytest.raises(
        PluginError, match=r"broken 1\.5.*broken\.codec.*ModuleNotFoundError.*no_such_library"
    ):
        exzarr.codecs.get("broken.codec")
    assert "broken.codec" in exzarr.codecs.known()
    assert exzarr.codecs.get("plugged.inverted").name == "plugged.inverted"
    with pytest.raises(UnsupportedError, match="'unheard' is not known"):
        exzarr.codecs.get("unheard")


@pytest.mark.parametrize(
    "source", ["import sys; sys.exit(3)", "1/0", "", "Codec = 5", "class Codec: pass", "def Codec(: pass"]
)
def test_all_faults_of_packages_raise_plugin_error(install: Install, tmp_path: Path, source: str) -> None:
    kinds = ("codecs", "data_types", "chunk_key_encodings", "chunk_grids")
    install("broken", "".join(f"[exzarr.{kind}]\nbad = broken:Codec\n" for kind in kinds), source)
    options: Any
    for options in (
        {"compressors": "bad"},
        {"dtype": "bad"},
        {"chunk_key_encoding": "bad"},
        {"chunks": {"name": "bad"}},
    ):
        with pytest.raises(PluginError, match=r"broken 1\.5"):
            exzarr.create_array(tmp_path / "a", **{"shape": (4,), "dtype": "i4", **options})
    assert not (tmp_path / "a").exists()
    listed = {one.kind: one.status for one in registry.plugins(load=True) if one.name == "bad"}
    assert listed == dict.fromkeys(("codec", "data type", "chunk key encoding", "chunk grid"), "broken")


def test_a_repaired_package_is_tried_again(install: Install) -> None:
    site = install(
        "mended", "[exzarr.codecs]\nplugged.inverted = mended:Inverted\n", "import no_such_library"
    )
    with pytest.raises(PluginError):
        exzarr.codecs.get("plugged.inverted")
    (site / "mended.py").write_text(MODULE)
    (site / "no_such_library.py").write_text("")  # pip installs it: the folder changes
    os.utime(site, ns=(1, 1))
    assert exzarr.codecs.get("plugged.inverted").name == "plugged.inverted"


def test_two_packages_with_one_name_are_an_error_until_one_is_chosen(install: Install, plugged: Path) -> None:
    install("other", "[exzarr.codecs]\nplugged.inverted = other:Inverted\n", MODULE)
    with pytest.raises(
        PluginError, match=r"several packages: other 1\.5.*plugged_package 1\.5.*register_codec"
    ):
        exzarr.codecs.get("plugged.inverted")
    assert {one.status for one in registry.plugins() if one.name == "plugged.inverted"} == {"broken"}
    import other  # type: ignore[import-not-found]

    registry.register_codec("plugged.inverted", other.Inverted)
    assert exzarr.codecs.get("plugged.inverted") is other.Inverted


def test_entry_points_do_not_replace_names_of_exzarr(install: Install) -> None:
    points = """
[exzarr.codecs]
zstd = evil:X
[exzarr.stores]
file = evil:X
s3 = evil:X
[exzarr.data_types]
float32 = evil:X
[exzarr.chunk_key_encodings]
default = evil:X
[exzarr.chunk_grids]
regular = evil:X
"""
    install("evil", points, "raise SystemError('imported')")
    array = exzarr.create_array({}, shape=(4,), dtype="float32", compressors="zstd")
    array[...] = 1
    assert array[...].sum() == 4
    assert {one.status for one in registry.plugins(load=True) if one.origin.startswith("evil")} == {"hidden"}
    register: Any
    for register, name in (
        (registry.register_store, "file"),
        (registry.register_data_type, "float32"),
        (registry.register_chunk_key_encoding, "v2"),
        (registry.register_chunk_grid, "regular"),
    ):
        with pytest.raises(ArgumentError, match="part of exzarr"):
            register(name, object)


@pytest.mark.parametrize("name", ["os:system", "os", "evil", "evil:X", "../evil", "numcodecs.os", "a.b"])
def test_documents_import_nothing_but_entry_points(install: Install, name: str) -> None:
    site = install(
        "evil", "[console_scripts]\nevil = evil:X\n[other.codecs]\na.b = evil:X\n", "raise SystemExit(9)"
    )
    document = {
        "zarr_format": 3, "node_type": "array", "shape": [4], "fill_value": 0, "data_type": "int8",
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [4]}},
        "chunk_key_encoding": {"name": "default"}, "codecs": ["bytes"],
    }  # fmt: skip
    for member in ("data_type", "chunk_grid", "chunk_key_encoding", "codecs"):
        value: Any = [name] if member == "codecs" else {"name": name, "configuration": {}}
        store = {"zarr.json": json.dumps({**document, member: value}).encode()}
        with pytest.raises(UnsupportedError):
            exzarr.open_array(store, mode="r")[...]
    assert site.exists()
    assert "evil" not in sys.modules


# -- stores -----------------------------------------------------------------------------------


def test_a_store_may_give_a_path_and_gets_options(plugged: Path, tmp_path: Path) -> None:
    _, values = make(tmp_path / "g" / "a")
    array = exzarr.open_array(f"plugged://{tmp_path}/g", storage_options={"path": "a"})
    assert array[...].tolist() == values.tolist()
    assert exzarr.open_array(f"plugged://{tmp_path}/g/a|zarr3:").shape == (400, 5)
    with pytest.raises(exzarr.NodeNotFoundError):
        exzarr.open(f"plugged://{tmp_path}/nothing")
    assert not (tmp_path / "nothing").exists()


@pytest.mark.parametrize(
    ("source", "error", "message"),
    [
        ("def open_url(url, *, mode, storage_options): return 5", PluginError, "must return a Store"),
        ("def open_url(url, *, mode, storage_options): return 1 / 0", StoreError, "ZeroDivisionError"),
        ("def open_url(url): return 5", StoreError, "TypeError"),
        ("open_url = 5", PluginError, "must be a function"),
    ],
)
def test_faults_of_a_store_are_named(install: Install, source: str, error: Any, message: str) -> None:
    install("storing", "[exzarr.stores]\nbad = storing:open_url\n", source)
    with pytest.raises(error, match=message) as raised:
        exzarr.open("bad://user:secret@host/x")
    assert "secret" not in str(raised.value)


def test_unknown_schemes_name_no_plugin(install: Install) -> None:
    with pytest.raises(UnsupportedError, match="no store for nowhere:// URLs"):
        exzarr.open("nowhere://x")


# -- codecs of zarr-python -----------------------------------------------------------------------

ZARR = """
from dataclasses import dataclass
import numpy as np
from zarr.abc.codec import ArrayArrayCodec, ArrayBytesCodec, BytesBytesCodec

@dataclass(frozen=True)
class Base:
    is_fixed_size = True
    n: int = 1
    @classmethod
    def from_dict(cls, data):
        return cls(**data.get("configuration", {}))
    def to_dict(self):
        return {"name": self.codec_name, "configuration": {"n": self.n}}
    def compute_encoded_size(self, n, spec):
        return n

@dataclass(frozen=True)
class Add(Base, ArrayArrayCodec):
    codec_name = "theirs.add"
    async def _encode_single(self, array, spec):
        return spec.prototype.nd_buffer.from_numpy_array(array.as_numpy_array() + self.n)
    async def _decode_single(self, array, spec):
        return spec.prototype.nd_buffer.from_numpy_array(array.as_numpy_array() - self.n)

@dataclass(frozen=True)
class Text(Base, ArrayBytesCodec):
    codec_name = "theirs.text"
    is_fixed_size = False
    async def _encode_single(self, array, spec):
        text = " ".join(map(str, array.as_numpy_array().ravel().tolist()))
        return spec.prototype.buffer.from_bytes(text.encode())
    async def _decode_single(self, data, spec):
        numbers = np.array(data.to_bytes().split(), spec.dtype.to_native_dtype())
        return spec.prototype.nd_buffer.from_numpy_array(numbers.reshape(spec.shape))

@dataclass(frozen=True)
class Flip(Base, BytesBytesCodec):
    codec_name = "theirs.flip"
    def _encode_sync(self, data, spec):
        return spec.prototype.buffer.from_bytes(bytes(data.as_numpy_array() ^ 255))
    _decode_sync = _encode_sync
    async def _encode_single(self, data, spec):
        return self._encode_sync(data, spec)
    _decode_single = _encode_single
"""
THEIRS = "[zarr.codecs]\ntheirs.add = theirs:Add\ntheirs.flip = theirs:Flip\n[zarr.codecs.theirs_text]\nany = theirs:Text\n"


def test_codecs_of_zarr_python_of_all_kinds_work_both_ways(install: Install, tmp_path: Path) -> None:
    zarr = pytest.importorskip("zarr")
    install("theirs", THEIRS, ZARR.replace('"theirs.text"', '"theirs_text"'))
    values = np.arange(60, dtype="i4").reshape(6, 10)
    array = exzarr.create_array(
        tmp_path / "a", shape=(6, 10), chunks=(4, 5), dtype="i4", filters={"name": "theirs.add", "configuration": {"n": 5}},
        serializer={"name": "theirs_text"}, compressors=["theirs.flip", "gzip"],
    )  # fmt: skip
    array[...] = values
    assert exzarr.open_array(tmp_path / "a")[1::2, ::3].tolist() == values[1::2, ::3].tolist()
    import theirs  # type: ignore[import-not-found]

    for cls in (theirs.Add, theirs.Text, theirs.Flip):
        zarr.registry.register_codec(cls.codec_name, cls)
    peer = zarr.open_array(str(tmp_path / "a"), mode="r+")
    assert peer[...].tolist() == values.tolist()
    peer[...] = values * 2
    assert exzarr.open_array(tmp_path / "a")[...].tolist() == (values * 2).tolist()
    assert pickle.loads(pickle.dumps(array.filters[0])) == array.filters[0]
    assert {"theirs.add", "theirs.flip", "theirs_text"} <= {*exzarr.codecs.known()}


def test_codecs_of_zarr_python_may_be_registered(install: Install) -> None:
    pytest.importorskip("zarr")
    site = install("theirs", "", ZARR)
    assert site.exists()
    import theirs

    registry.register_codec("theirs.flip", theirs.Flip)
    array = exzarr.create_array({}, shape=(5,), dtype="u1", compressors=["theirs.flip"])
    array[...] = 3
    assert array[...].tolist() == [3] * 5


@pytest.mark.parametrize("result", ["array[1:]", "array.astype('f8')"])
def test_arrays_of_another_kind_from_codecs_of_zarr_python_are_not_stored(
    install: Install, result: str
) -> None:
    pytest.importorskip("zarr")
    install(
        "theirs",
        THEIRS,
        ZARR.replace("array.as_numpy_array() + self.n", f"(lambda array: {result})(array.as_numpy_array())"),
    )
    store: dict[str, bytes] = {}
    array = exzarr.create_array(store, shape=(5,), dtype="i4", filters=["theirs.add"])
    with pytest.raises(ExzarrError, match="encoded a chunk to"):
        array[...] = 3
    assert [*store] == ["zarr.json"]


def test_damaged_chunks_of_codecs_of_zarr_python_raise_chunk_corrupt_error(install: Install) -> None:
    pytest.importorskip("zarr")
    install("theirs", THEIRS, ZARR)
    store: dict[str, bytes] = {}
    array = exzarr.create_array(
        store, shape=(5,), dtype="u1", serializer={"name": "theirs_text"}, compressors="theirs.flip"
    )
    array[...] = 3
    for bad in (b"", b"\xff", bytes(x ^ 255 for x in b"1 2 3"), bytes(x ^ 255 for x in b"1 2 3 4 999")):
        store["c/0"] = bad
        with pytest.raises(exzarr.ChunkCorruptError):
            array[...]


def test_codecs_of_a_published_package_work(tmp_path: Path) -> None:
    """zarr-any-numcodecs declares adapters of numcodecs' codecs for zarr-python."""
    pytest.importorskip("zarr_any_numcodecs")
    zarr = pytest.importorskip("zarr")
    values = np.arange(60, dtype="i2").reshape(6, 10)
    options: Any
    for number, options in enumerate(
        (
            {
                "filters": {
                    "name": "any-numcodecs.array-array",
                    "configuration": {"id": "delta", "dtype": "<i2"},
                }
            },
            {"serializer": {"name": "any-numcodecs.array-bytes", "configuration": {"id": "pcodec"}}},
            {"compressors": {"name": "any-numcodecs.bytes-bytes", "configuration": {"id": "lzma"}}},
        )
    ):
        array = exzarr.create_array(
            tmp_path / str(number), shape=(6, 10), chunks=(4, 5), dtype="i2", **options
        )
        array[...] = values
        assert exzarr.open_array(tmp_path / str(number))[...].tolist() == values.tolist()
        assert zarr.open_array(str(tmp_path / str(number)))[...].tolist() == values.tolist()


def test_the_registry_is_a_name_of_the_package(
    run_python: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    done = run_python("import exzarr; print(type(exzarr.registry.plugins()).__name__)")
    assert done.stdout.strip() == "list", done.stderr


# -- costs -------------------------------------------------------------------------------------


def test_known_names_do_not_scan_entry_points(
    run_python: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    done = run_python(
        "import sys; sys.path.insert(0, 'src')\n"
        "import exzarr, numpy as np, tempfile\n"
        "from exzarr import _plugins\n"
        "_plugins._installed = lambda: sys.exit('scanned')\n"
        "with tempfile.TemporaryDirectory() as folder:\n"
        "    a = exzarr.create_array(folder + '/a', shape=(40, 4), dtype='>f4', chunks=(9, 4), compressors=['zstd', 'crc32c'])\n"
        "    a[...] = 1\n"
        "    exzarr.create_array(folder + '/b', shape=4, dtype='i4', zarr_format=2, compressors='zlib')[...] = 2\n"
        "    str(exzarr.open(folder + '/a').info); exzarr.check(folder + '/a'); exzarr.open(folder + '/b')[...]\n"
        "    exzarr.create_array('memory://x/y', shape=4, dtype='bool', shards=4, chunks=2)[...] = True\n"
        "assert 'importlib.metadata' not in sys.modules or _plugins._scanned is None\n"
        "print('no scan')"
    )
    assert done.stdout.strip() == "no scan", done.stderr

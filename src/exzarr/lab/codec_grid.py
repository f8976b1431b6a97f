"""The codec chains to try on a data type."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from exzarr._format import dtypes, fill_values
from exzarr._format.metadata import CodecConfig
from exzarr.codecs.base import ChunkSpec
from exzarr.codecs.parse import v3_codecs
from exzarr.errors import ExzarrError

__all__ = ["Chain", "Effort", "chain_of", "grid"]

Effort = Literal["quick", "normal", "thorough"]


@dataclass(frozen=True, slots=True)
class Chain:
    """A codec chain.

    Attributes
    ----------
    label
        Its name in tables.
    compressors, filters, serializer
        As for `exzarr.create_array`.
    lossy
        Whether decoded values can differ from the original ones.
    family
        Name of the compressor, for colours and grouping.
    """

    label: str
    compressors: Any = None
    filters: Any = None
    serializer: Any = "auto"
    lossy: bool = False
    family: str = field(default="other")

    def codecs(self, spec: ChunkSpec) -> tuple[CodecConfig, ...]:
        """Return the codecs for the metadata document. Raise an ExzarrError if they do not fit `spec`."""
        return v3_codecs(
            spec, filters=self.filters or "auto", serializer=self.serializer, compressors=self.compressors
        )

    @property
    def options(self) -> dict[str, Any]:
        """Keywords for `exzarr.create_array`."""
        made: dict[str, Any] = {"compressors": self.compressors}
        if self.filters:
            made["filters"] = self.filters
        if self.serializer != "auto":
            made["serializer"] = self.serializer
        return made


def grid(dtype: np.dtype[Any], *, effort: Effort = "normal", lossy: bool = False) -> list[Chain]:
    """Return the chains to try on data of `dtype`, the most promising first.

    Chains that require a missing library are left out.
    """
    order = {"quick": 0, "normal": 1, "thorough": 2}
    data_type = dtypes.from_numpy(dtype, 3)
    spec = ChunkSpec((8,), data_type, fill_values.default(data_type))
    found = [
        chain for rank, chain in sorted(_all(dtype), key=lambda entry: entry[0]) if rank <= order[effort]
    ]
    if lossy:
        found += _lossy(dtype)
    return [chain for chain in found if _works(chain, spec)]


def chain_of(given: Any) -> Chain:
    """Return a chain for an argument: a `Chain`, or ``compressors`` as for `exzarr.create_array`."""
    if isinstance(given, Chain):
        return given
    if isinstance(given, dict) and given.keys() & {"compressors", "filters", "serializer"}:
        steps = [given.get(what) for what in ("filters", "serializer", "compressors") if given.get(what)]
        return Chain(" + ".join(map(_name, steps)) or "none", **given)
    return Chain(_name(given), given)


def _name(given: Any) -> str:
    if given is None:
        return "none"
    if isinstance(given, (list, tuple)):
        return " + ".join(map(_name, given)) or "none"
    if isinstance(given, dict):
        return str(given.get("name") or given.get("id")).removeprefix("numcodecs.")
    return given if isinstance(given, str) else repr(given)


def _works(chain: Chain, spec: ChunkSpec) -> bool:
    try:
        chain.codecs(spec)
    except ExzarrError:
        return False
    return True


def _all(dtype: np.dtype[Any]) -> Iterator[tuple[int, Chain]]:
    wide = dtype.itemsize > 1 and dtype.kind in "iufcmM"
    yield 0, Chain("none", None, family="none")
    for level, rank in ((1, 0), (3, 0), (5, 2), (9, 1), (19, 2)):
        yield rank, _zstd(level)
    for level, rank in ((1, 1), (5, 0), (9, 2)):
        yield rank, _blosc("lz4", level, "shuffle" if wide else "noshuffle")
    for level, rank in ((1, 1), (3, 0), (5, 1), (9, 2)):
        yield rank, _blosc("zstd", level, "shuffle" if wide else "noshuffle")
    if wide:
        yield 1, _blosc("lz4", 5, "noshuffle")
        yield 1, _blosc("zstd", 3, "noshuffle")
    yield 1, _blosc("lz4", 5, "bitshuffle")
    yield 0, _blosc("zstd", 3, "bitshuffle")
    yield 2, _blosc("zstd", 5, "bitshuffle")
    yield 2, _blosc("lz4hc", 9, "shuffle" if wide else "noshuffle")
    yield 2, _blosc("zlib", 5, "shuffle" if wide else "noshuffle")
    shuffle = {"name": "numcodecs.shuffle", "configuration": {"elementsize": dtype.itemsize}}
    if wide:
        yield 1, Chain("shuffle + zstd 3", [shuffle, _zstd(3).compressors], family="zstd")
        yield 2, Chain("shuffle + zstd 19", [shuffle, _zstd(19).compressors], family="zstd")
        yield 2, Chain("shuffle + gzip 6", [shuffle, _gzip(6).compressors], family="gzip")
    if dtype.kind in "iu":
        delta = {"name": "numcodecs.delta", "configuration": {"dtype": dtype.str}}
        yield 1, Chain("delta + zstd 3", _zstd(3).compressors, [delta], family="zstd")
        yield (
            1,
            Chain(
                "delta + blosc zstd 3 shuffle",
                _blosc("zstd", 3, "shuffle").compressors,
                [delta],
                family="blosc zstd",
            ),
        )
    if dtype.kind in "iuf" and dtype.itemsize > 1:
        pcodec = {"name": "numcodecs.pcodec", "configuration": {"level": 8}}
        yield 1, Chain("pcodec 8", None, None, pcodec, family="pcodec")
    for level, rank in ((1, 1), (6, 1), (9, 2)):
        yield rank, _gzip(level)
    if wide:
        yield 1, Chain("shuffle + lzma 1", [shuffle, _lzma(1)], family="lzma")
    yield 2, Chain("lzma 6", _lzma(6), family="lzma")
    yield 2, Chain("bz2 9", {"name": "numcodecs.bz2", "configuration": {"level": 9}}, family="bz2")
    if dtype.kind == "b":
        yield 0, Chain("packbits", None, None, "packbits", family="packbits")
        yield 0, Chain("packbits + zstd 3", _zstd(3).compressors, None, "packbits", family="packbits")


def _lossy(dtype: np.dtype[Any]) -> list[Chain]:
    """Return chains that round floats to fewer bits: 13, 10, 7 and 5, about 4, 3, 2 and 1.5 decimal digits."""
    if dtype.kind != "f" or dtype.itemsize < 4:
        return []
    made = []
    for bits in (13, 10, 7, 5):
        rounding = [{"name": "bitround", "configuration": {"keepbits": bits}}]
        for after in (_zstd(3), _blosc("zstd", 3, "bitshuffle")):
            label = f"bitround {bits} + {after.label}"
            made.append(Chain(label, after.compressors, rounding, lossy=True, family="bitround"))
    return made


def _zstd(level: int) -> Chain:
    return Chain(
        f"zstd {level}", {"name": "zstd", "configuration": {"level": level, "checksum": True}}, family="zstd"
    )


def _gzip(level: int) -> Chain:
    return Chain(f"gzip {level}", {"name": "gzip", "configuration": {"level": level}}, family="gzip")


def _lzma(preset: int) -> dict[str, Any]:
    return {"name": "numcodecs.lzma", "configuration": {"preset": preset}}


def _blosc(cname: str, level: int, shuffle: str) -> Chain:
    from exzarr.codecs.blosc import Blosc

    label = f"blosc {cname} {level}" + ("" if shuffle == "noshuffle" else f" {shuffle}")
    return Chain(label, Blosc(cname=cname, clevel=level, shuffle=shuffle), family=f"blosc {cname}")

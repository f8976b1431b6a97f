"""Inspect one stored shard: its index, and with `deep` every inner chunk."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from exzarr._engine.shards import ShardLayout
from exzarr._engine.source import ChunkSource
from exzarr._tools.check.findings import Finding
from exzarr._tools.check.values import fingerprint_of
from exzarr._typing import IntArray
from exzarr.codecs.shards import MISSING, BoundShards
from exzarr.errors import ChecksumError, CodecError
from exzarr.stores.base import ValueReader

__all__ = ["ShardIndex", "judge", "inspect_shard", "pieces", "read_index"]

READ = 4 * 1024 * 1024
"""Maximum bytes of one read from a shard. A larger inner chunk is read with one read."""

GAP = 4096
"""Maximum bytes between two inner chunks that are read together."""


@dataclass(frozen=True, slots=True)
class ShardIndex:
    """The readable part of the index of a shard.

    Attributes
    ----------
    numbers, starts, lengths
        The stored inner chunks that are inside the shard, in the order of their bytes.
    code, reason
        The problem with the index; ``""`` if there is none.
    sound
        True if the index entries are trusted: their checksum is correct, or they have no problem.
    """

    numbers: IntArray
    starts: IntArray
    lengths: IntArray
    code: str = ""
    reason: str = ""
    sound: bool = False


def read_index(shards: BoundShards, value: ValueReader) -> ShardIndex:
    """Read and check the index of a shard. Nothing else is read."""
    size, own = value.size, shards.index_size
    none = np.empty(0, np.int64)
    if size < own:
        reason = f"the shard has {size} bytes, but its index alone needs {own}"
        return ShardIndex(none, none, none, "EXZ301", reason)
    data = bytearray(own)
    at_end = shards.index_location == "end"
    value.read_into(memoryview(data), size - own if at_end else 0)
    code = reason = ""
    try:
        table = shards.decode_table(data)
    except CodecError as error:
        code, reason = "EXZ301", str(error)
        if (
            own != 16 * shards.count + 4
        ):  # only the usual index codecs (bytes, crc32c) keep the entries readable
            return ShardIndex(none, none, none, code, reason)
        table = np.frombuffer(data, "<u8", 2 * shards.count).reshape(-1, 2)
    begin, end = (0, size - own) if at_end else (own, size)
    stored = np.flatnonzero((table != MISSING).any(axis=1))
    starts, lengths = table[stored, 0], table[stored, 1]
    # Compare start and length first: their sum may exceed 64 bits.
    inside = (starts >= begin) & (starts <= end) & (lengths <= end)
    inside &= np.where(inside, starts + lengths, MISSING) <= end
    if not inside.all() and not code:
        at = int(np.flatnonzero(~inside)[0])
        code, reason = (
            "EXZ302",
            (
                f"the index puts inner chunk {stored[at]} at byte {starts[at]} with {lengths[at]} bytes, "
                f"but inner chunks of this shard of {size} bytes are at bytes {begin} to {end}"
            ),
        )
    numbers = stored[inside].astype(np.int64)
    where, long = starts[inside].astype(np.int64), lengths[inside].astype(np.int64)
    order = np.lexsort((long, where))
    numbers, where, long = numbers[order], where[order], long[order]
    overlap = _first_overlap(where, long)
    if overlap is not None and not code:
        code, reason = "EXZ302", f"inner chunks {numbers[overlap[0]]} and {numbers[overlap[1]]} overlap"
    # If an index at the end points outside the shard, the beginning of the shard is missing and all bytes are shifted.
    sound = not code or (code == "EXZ302" and not at_end and overlap is None and shards.index_checks)
    return ShardIndex(numbers, where, long, code, reason, sound)


def inspect_shard(
    source: ChunkSource, key: str, index: tuple[int, ...], *, deep: bool, full: bool
) -> tuple[Finding, ...]:
    """Return the findings for the shard at `key`; none if it is not stored."""
    value = source.store.open_value(key)
    if value is None:
        return ()
    layout = source.layout or source.layout_at(key)
    path = source.path
    try:
        found = read_index(layout.shards, value)
        if found.code:
            return (Finding(found.code, path, key, found.reason, index, fingerprint=fingerprint_of(value)),)
        findings = []
        if full:
            missing, total = _missing(source, key, layout, found)
            if missing.size:
                at = layout.index_at(source, key, int(missing[0]))
                few = ", ".join(map(str, missing[:5])) + (", …" if missing.size > 5 else "")
                detail = f"{missing.size} of {total} inner chunks of shard {index} are not stored: {few}"
                findings.append(
                    Finding("EXZ314", path, key, detail, at, int(missing[0]), fingerprint_of(value))
                )
        if deep:
            for number, data in pieces(value, found):
                wrong = judge(layout, data)
                if wrong is not None:
                    at = layout.index_at(source, key, number)
                    detail = f"inner chunk {number} of shard {index}: {wrong[1]}"
                    findings.append(Finding(wrong[0], path, key, detail, at, number, fingerprint_of(value)))
        return tuple(findings)
    finally:
        value.close()


def judge(layout: ShardLayout, data: memoryview) -> tuple[str, str] | None:
    """Return code and reason if an inner chunk cannot be decoded, else None."""
    wanted = layout.inner.encoded_size
    if wanted is not None and len(data) != wanted:
        return "EXZ312", f"it has {len(data)} bytes instead of {wanted}"
    try:
        layout.inner.decode(data)
    except ChecksumError as error:
        return "EXZ313", str(error)
    except CodecError as error:
        return "EXZ311", str(error)
    except MemoryError:
        return "EXZ206", f"its {len(data)} bytes decode to more than the available memory"
    return None


def pieces(value: ValueReader, index: ShardIndex) -> Iterator[tuple[int, memoryview]]:
    """Yield number and bytes of every inner chunk. Neighbors are read together.

    The bytes are valid until the next iteration.
    """
    buffer = bytearray()
    first, total = 0, len(index.numbers)
    while first < total:
        begin = int(index.starts[first])
        end, until = begin + int(index.lengths[first]), first + 1
        while until < total:
            start, length = int(index.starts[until]), int(index.lengths[until])
            if start > end + GAP or start + length - begin > READ:
                break
            end, until = max(end, start + length), until + 1
        if len(buffer) < end - begin:
            buffer = bytearray(end - begin)
        whole = memoryview(buffer)[: end - begin]
        value.read_into(whole, begin)
        for i in range(first, until):
            at = int(index.starts[i]) - begin
            yield int(index.numbers[i]), whole[at : at + int(index.lengths[i])]
        first = until


def _first_overlap(starts: IntArray, lengths: IntArray) -> tuple[int, int] | None:
    """Return the positions of two overlapping ranges in sorted ranges; None if there are none.

    Equal ranges do not count: the specification does not forbid inner chunks that share all their bytes.
    """
    ends = starts + lengths
    furthest = np.maximum.accumulate(ends)
    same = (starts[1:] == starts[:-1]) & (ends[1:] == ends[:-1])
    found = np.flatnonzero((starts[1:] < furthest[:-1]) & (lengths[1:] > 0) & ~same)
    if not found.size:
        return None
    second = int(found[0]) + 1
    return int(np.argmax(ends[:second])), second


def _missing(source: ChunkSource, key: str, layout: ShardLayout, found: ShardIndex) -> tuple[Any, int]:
    """Return the numbers of the array's inner chunks in this shard that are not stored, and the number of all."""
    stored = np.zeros(layout.shards.count, bool)
    stored[found.numbers] = True
    extents = source.extents_at(key, layout)
    ends = [-(-n // dim.uniform) for n, dim in zip(extents, layout.dims, strict=True)]
    inside = np.zeros(layout.counts, bool)
    inside[tuple(map(slice, ends))] = True
    inside_flat = inside.reshape(-1)
    return np.flatnonzero(inside_flat & ~stored), int(inside_flat.sum())

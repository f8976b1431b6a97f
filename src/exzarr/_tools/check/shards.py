"""One stored shard, looked at: its index, and with `deep` every inner chunk."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from exzarr._engine.shards import ShardLayout
from exzarr._engine.source import ChunkSource
from exzarr._tools.check.findings import Finding
from exzarr._tools.check.values import fingerprint_of
from exzarr.codecs.shards import MISSING, BoundShards
from exzarr.errors import ChecksumError, CodecError
from exzarr.stores.base import ValueReader

__all__ = ["ShardIndex", "judge", "inspect_shard", "pieces", "read_index"]

READ = 4 * 1024 * 1024
"""Bytes of a shard that are read at once (or one inner chunk, where that is larger)."""

GAP = 4096
"""Inner chunks that lie no further apart are read together."""

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class ShardIndex:
    """The index of a shard, as far as it can be made out.

    Attributes
    ----------
    numbers, starts, lengths
        The inner chunks that are stored and lie inside the shard, in the order in which they lie there.
    code, reason
        What is wrong with the index; ``""`` where nothing is.
    sound
        Whether what the index says is what was once written: a checksum says so, or nothing is wrong with it.
    """

    numbers: Integers
    starts: Integers
    lengths: Integers
    code: str = ""
    reason: str = ""
    sound: bool = False


def read_index(shards: BoundShards, value: ValueReader) -> ShardIndex:
    """The index of the shard that `value` is. Nothing else of it is read."""
    size, own = value.size, shards.index_size
    none = np.empty(0, np.int64)
    if size < own:
        reason = f"the shard has {size} bytes, and its index alone takes {own}"
        return ShardIndex(none, none, none, "EXZ301", reason)
    data = bytearray(own)
    at_end = shards.index_location == "end"
    value.read_into(memoryview(data), size - own if at_end else 0)
    code = reason = ""
    try:
        table = shards.decode_table(data)
    except CodecError as error:
        code, reason = "EXZ301", str(error)
        if own != 16 * shards.count + 4:  # not the usual form: what the entries are, only the codecs know
            return ShardIndex(none, none, none, code, reason)
        table = np.frombuffer(data, "<u8", 2 * shards.count).reshape(-1, 2)
    begin, end = (0, size - own) if at_end else (own, size)
    stored = np.flatnonzero((table != MISSING).any(axis=1))
    starts, lengths = table[stored, 0], table[stored, 1]
    # Each compared by itself first: the sum may be too large for 64 bits.
    inside = (starts >= begin) & (starts <= end) & (lengths <= end)
    inside &= np.where(inside, starts + lengths, MISSING) <= end
    if not inside.all() and not code:
        at = int(np.flatnonzero(~inside)[0])
        code, reason = (
            "EXZ302",
            (
                f"inner chunk {stored[at]} is said to lie at byte {starts[at]} and to have {lengths[at]}; "
                f"in this shard of {size} bytes inner chunks lie at bytes {begin} to {end}"
            ),
        )
    numbers = stored[inside].astype(np.int64)
    where, long = starts[inside].astype(np.int64), lengths[inside].astype(np.int64)
    order = np.lexsort((long, where))
    numbers, where, long = numbers[order], where[order], long[order]
    overlap = _first_overlap(where, long)
    if overlap is not None and not code:
        code, reason = "EXZ302", f"inner chunks {numbers[overlap[0]]} and {numbers[overlap[1]]} overlap"
    # Where the index stands at the end, and points outside, it is the beginning that is lost, and bytes have moved.
    sound = not code or (code == "EXZ302" and not at_end and overlap is None and shards.index_checks)
    return ShardIndex(numbers, where, long, code, reason, sound)


def inspect_shard(
    source: ChunkSource, key: str, index: tuple[int, ...], *, deep: bool, full: bool
) -> tuple[Finding, ...]:
    """What is wrong with the shard at `key`; nothing, where it is not stored."""
    value = source.store.open_value(key)
    if value is None:
        return ()
    layout = source.layout or source.layout_at(key)
    path = source.path
    try:
        found = read_index(layout.shards, value)
        if found.code:
            return (Finding(found.code, path, key, found.reason, index, mark=fingerprint_of(value)),)
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
    """Code and reason for an inner chunk that does not decode."""
    wanted = layout.inner.encoded_size
    if wanted is not None and len(data) != wanted:
        return "EXZ312", f"it has {len(data)} bytes, and should have {wanted}"
    try:
        layout.inner.decode(data)
    except ChecksumError as error:
        return "EXZ313", str(error)
    except CodecError as error:
        return "EXZ311", str(error)
    except MemoryError:
        return "EXZ206", f"its {len(data)} bytes decode to more than there is memory for"
    return None


def pieces(value: ValueReader, index: ShardIndex) -> Iterator[tuple[int, memoryview]]:
    """Number and bytes of every inner chunk, read together where they lie together.

    The bytes are valid until the next is asked for.
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


def _first_overlap(starts: Integers, lengths: Integers) -> tuple[int, int] | None:
    """Positions of two ranges, which are sorted, that share bytes without being the same; None if there are none.

    Two inner chunks may be the same bytes: the specification does not forbid it.
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
    """Numbers of the inner chunks that the array has in this shard and that are not stored; how many it has."""
    stored = np.zeros(layout.shards.count, bool)
    stored[found.numbers] = True
    extents = source.extents_at(key, layout)
    ends = [-(-n // dim.uniform) for n, dim in zip(extents, layout.dims, strict=True)]
    inside = np.zeros(layout.counts, bool)
    inside[tuple(map(slice, ends))] = True
    inside_flat = inside.reshape(-1)
    return np.flatnonzero(inside_flat & ~stored), int(inside_flat.sum())

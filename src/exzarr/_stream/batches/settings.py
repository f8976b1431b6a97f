"""The checked arguments of `exzarr.batches`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypedDict

from exzarr._stream.batches.batch_plan import Batching
from exzarr._stream.batches.orders import Shuffle, stretch
from exzarr.errors import ArgumentError, UnknownArgumentError

if TYPE_CHECKING:
    from exzarr.stores.wrappers.disk_cache import DiskCache

__all__ = ["BatchOptions", "Settings", "check_whole"]


class BatchOptions(TypedDict, total=False):
    """Arguments of `exzarr.batches` that can be replaced."""

    batch_size: int
    shuffle: Shuffle
    seed: int
    window: int | None
    drop_last: bool
    prefetch: int
    workers: int | None
    rank: int
    world_size: int
    cache_bytes: int


@dataclass(frozen=True, slots=True)
class Settings:
    """Arguments of `batches`, except the arrays.

    Attributes
    ----------
    part
        Number of this part of the batches, and number of parts.
    interleaved
        The part has every n-th batch.
    skipped
        Number of batches at the start of the epoch that no part has.
    cache
        Cache of decoded chunks on disk.
    """

    batch_size: int
    shuffle: Shuffle
    seed: int
    window: int | None
    drop_last: bool
    prefetch: int
    workers: int | None
    rank: int
    world_size: int
    cache_nbytes: int
    part: tuple[int, int] = (0, 1)
    interleaved: bool = False
    skipped: int = 0
    cache: DiskCache | None = None

    def __post_init__(self) -> None:
        check_whole("batch_size", self.batch_size, 1)
        check_whole("seed", self.seed, 0)
        check_whole("prefetch", self.prefetch, 0)
        check_whole("world_size", self.world_size, 1)
        check_whole("cache_bytes", self.cache_nbytes, 0)
        if self.workers is not None:
            check_whole("workers", self.workers, 1)
        if self.shuffle is not False and self.shuffle not in ("chunks", "window", "full"):
            raise ArgumentError(f"shuffle is False, 'chunks', 'window' or 'full', not {self.shuffle!r}")
        if self.window is not None:
            check_whole("window", self.window, 1)
            if self.shuffle != "window":
                raise ArgumentError(f"window is for shuffle='window', not for shuffle={self.shuffle!r}")
        if type(self.rank) is not int or not 0 <= self.rank < self.world_size:
            most = self.world_size - 1
            raise ArgumentError(f"rank must be from 0 to world_size - 1, which is {most}, not {self.rank!r}")

    def with_options(self, options: BatchOptions) -> Settings:
        """Return the settings with some arguments replaced."""
        unknown = set(options) - BatchOptions.__optional_keys__
        if unknown:
            raise UnknownArgumentError(
                f"replace() got {', '.join(sorted(unknown))}: the options are "
                f"{', '.join(sorted(BatchOptions.__optional_keys__))}"
            )
        given: dict[str, Any] = {**options}
        if "cache_bytes" in given:
            given["cache_nbytes"] = given.pop("cache_bytes")
        if given.get("shuffle", self.shuffle) != "window":
            given.setdefault("window", None)
        return replace(self, **given)

    def batching(self, samples: int) -> Batching:
        """Return how this rank (this part) divides its share of `samples`, the number of all ranks, into batches."""
        start, stop = self.stretch(samples)
        count = -(-(stop - start) // self.batch_size)
        if self.drop_last:
            count = samples // self.world_size // self.batch_size
        index, parts = self.part
        skipped = min(self.skipped, count)
        first, until, step = skipped + index, count, parts
        if not self.interleaved:
            first, until = [skipped + number for number in stretch(count - skipped, index, parts)]
            step = 1
        return Batching(stop - start, self.batch_size, first, until, step)

    def stretch(self, samples: int) -> tuple[int, int]:
        """Return this rank's positions in the order of an epoch of `samples`."""
        return stretch(samples, self.rank, self.world_size)


def check_whole(name: str, value: Any, least: int) -> None:
    """Raise ArgumentError unless `value` is an integer of at least `least`."""
    if type(value) is not int or not least <= value < 1 << 63:
        raise ArgumentError(f"{name} must be a whole number from {least} on, not {value!r}")

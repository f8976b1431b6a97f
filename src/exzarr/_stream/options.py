"""The options that the streams share, checked once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy.typing as npt

from exzarr import config
from exzarr._predicates.predicates import Predicate
from exzarr._retrying import Retry, as_retry
from exzarr._stream.failures import OnError
from exzarr._stream.progress.progress import Meter, Progress, open_meter
from exzarr.errors import ArgumentError

__all__ = ["Missing", "StreamOptions", "Where"]

Missing = Literal["fill", "skip"]
Where = Predicate | Callable[[tuple[int, ...]], object] | npt.ArrayLike
"""A predicate on values (`exzarr.value`), a function of the chunk index, or an integer array of chunk indices with shape
(n, dimensions)."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StreamOptions:
    """Keywords of `Array.chunk_stream`, which documents them. Other streams use some of them.

    Raises
    ------
    ArgumentError
        An option is invalid by itself. The array decides whether `region` and `where` fit it.

    Attributes
    ----------
    matching
        The predicate that an element of each chunk must match. `where` are then the chunks that may match (`chunks_where`).
    """

    region: Any = None
    where: Where | None = None
    matching: Predicate | None = None
    missing: Missing = "fill"
    workers: int | None = None
    prefetch: int | None = None
    ordered: bool = True
    timeout: float | None = None
    retries: int | Retry | None = None
    on_error: OnError = "raise"
    progress: Progress = False

    def __post_init__(self) -> None:
        if self.missing not in ("fill", "skip"):
            raise ArgumentError(f"missing is 'fill' or 'skip', not {self.missing!r}")
        if self.workers is not None and (type(self.workers) is not int or self.workers < 1):
            raise ArgumentError(f"workers must be a positive number, not {self.workers!r}")
        if self.prefetch is not None and (type(self.prefetch) is not int or self.prefetch < 0):
            raise ArgumentError(f"prefetch must not be negative, got {self.prefetch!r}")
        if self.timeout is not None and not self.timeout > 0:
            raise ArgumentError(f"timeout is a number of seconds, or None for no limit, not {self.timeout!r}")
        if not callable(self.on_error) and self.on_error not in ("raise", "skip"):
            raise ArgumentError(f"on_error must be 'raise', 'skip' or a callable, not {self.on_error!r}")
        as_retry(self.retries)

    @property
    def threads(self) -> int:
        """The number of workers; ``config.workers`` by default."""
        return self.workers or config.get().workers

    @property
    def retry(self) -> Retry | None:
        """The policy for retries; None to try once."""
        return as_retry(self.retries)

    def failed(self, error: BaseException) -> None:
        """Apply `on_error`: raise `error`, or return. An error that is not an `Exception` (Ctrl-C, exit) is raised."""
        if self.on_error == "raise" or not isinstance(error, Exception):
            raise error
        if callable(self.on_error):
            self.on_error(error)

    def meter(self, total: int | None, what: str = "chunks", *, stream: str, array: str) -> Meter:
        """Return the meter of a stream; see `open_meter`."""
        return open_meter(self.progress, total, what, stream=stream, array=array)

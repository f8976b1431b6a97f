"""Cost estimates: requests and bytes, multiplied by prices."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from exzarr._engine.planning.explain import Explanation
from exzarr._tools.sync.report import SyncReport
from exzarr.cost.prices import Prices, prices as prices_of
from exzarr.errors import ArgumentError
from exzarr.telemetry.report import Report
from exzarr.telemetry.units import human_bytes

__all__ = ["Cost", "of"]

GB = 2**30
_PRICED_AS = {"get": "get", "range": "get", "size": "get", "put": "put", "delete": "delete", "list": "list"}


@dataclass(frozen=True, slots=True)
class Cost:
    """Cost of requests and bytes. Printing it shows the cost and the source of the prices.

    Attributes
    ----------
    kinds
        Number of requests by kind.
    bytes_read, bytes_written
        Bytes read and written; None if unknown.
    prices
        The prices.
    internet
        Whether the bytes that were read left the provider's region.
    """

    kinds: Mapping[str, int]
    bytes_read: int | None
    bytes_written: int
    prices: Prices
    internet: bool = False

    @property
    def for_requests(self) -> float:
        """Cost of the requests."""
        return sum(n * float(getattr(self.prices, _PRICED_AS[kind])) for kind, n in self.kinds.items()) / 1000

    @property
    def for_bytes(self) -> float:
        """Cost of bytes read and written: retrieval, upload, and egress if `internet` is true."""
        prices = self.prices
        read = prices.retrieval + (prices.egress if self.internet else 0.0)
        return ((self.bytes_read or 0) * read + self.bytes_written * prices.upload) / GB

    @property
    def total(self) -> float:
        """Total cost, in ``prices.currency``."""
        return self.for_requests + self.for_bytes

    def asdict(self) -> dict[str, Any]:
        """Return the figures as a plain dict."""
        return {
            "total": self.total,
            "for_requests": self.for_requests,
            "for_bytes": self.for_bytes,
            "currency": self.prices.currency,
            "requests": dict(self.kinds),
            "bytes_read": self.bytes_read,
            "bytes_written": self.bytes_written,
            "internet": self.internet,
            "prices": str(self.prices),
            "source": self.prices.source,
            "date": self.prices.date,
        }

    def __str__(self) -> str:
        currency = self.prices.currency
        requests = ", ".join(f"{n:,} {kind}" for kind, n in self.kinds.items()) or "none"
        moved = "unknown" if self.bytes_read is None else f"{human_bytes(self.bytes_read)} read"
        if self.bytes_written:
            moved += f", {human_bytes(self.bytes_written)} written"
        where = "over the internet" if self.internet else "in the provider's region"
        return "\n".join(
            [
                f"{_money(self.total)} {currency}",
                f"  requests   {_money(self.for_requests)} {currency}: {requests}",
                f"  bytes      {_money(self.for_bytes)} {currency}: {moved}, {where}",
                f"  prices     {self.prices}; check your provider's price page",
            ]
        )

    __repr__ = __str__

    def _repr_html_(self) -> str:
        from exzarr._html.fragments import facts, framed, heading

        total, *lines = str(self).splitlines()
        return framed(heading(total), facts([(line[2:12].strip(), line[12:].strip()) for line in lines]))


def of(
    what: Explanation | Report | SyncReport,
    prices: Prices | str,
    *,
    internet: bool = False,
    store: str | None = None,
) -> Cost:
    """Return the cost of a planned read (``a.explain[...]``), of a sync, or of what `exzarr.profile` measured.

    Parameters
    ----------
    what
        A plan or a report. Of a dry run of `exzarr.sync`, the cost of the planned requests. Requests that a cache answered are free. Requests that a store retried are not included
        (``report.retries`` counts them). A listing counts as one request, regardless of its pages.
    prices
        A name of `known`, or your own prices. The included prices are typical list prices with a source and date:
        check your provider's price page.
    internet
        Whether the bytes leave the provider's region, so that egress is charged.
    store
        For a report: include only requests to stores whose URL starts with this.

    Returns
    -------
    Cost

    Raises
    ------
    ArgumentError
        `what` is neither a plan nor a report, or `prices` is unknown.
    """
    table = prices_of(prices) if isinstance(prices, str) else prices
    if isinstance(what, Explanation):
        return Cost(what.kinds, what.fetch_bytes, 0, table, internet)
    if not isinstance(what, Report | SyncReport):
        raise ArgumentError(f"cannot estimate the cost of a {type(what).__name__}: give a plan or a report")
    requests = what.planned if isinstance(what, SyncReport) and what.dry_run else what.requests
    kinds: Counter[str] = Counter()
    read = written = 0
    for (url, kind), use in requests.items():
        if store is None or url.startswith(store):
            kinds[kind] += use.requests - use.cached
            if kind == "put":
                written += use.bytes
            else:
                read += use.bytes - use.cached_bytes
    return Cost({kind: n for kind, n in kinds.items() if n}, read, written, table, internet)


def _money(amount: float) -> str:
    return (
        f"{amount:,.2f}"
        if amount >= 1 or not amount
        else f"{amount:.3g}"
        if amount >= 1e-4
        else f"{amount:.7f}"
    )

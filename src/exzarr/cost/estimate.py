"""Requests and bytes, times prices."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from exzarr._engine.planning.explain import Explanation
from exzarr.cost.prices import Prices, prices as prices_of
from exzarr.errors import ArgumentError
from exzarr.telemetry.report import Report
from exzarr.telemetry.units import human_bytes

__all__ = ["Cost", "of"]

GB = 2**30
_PRICED_AS = {"get": "get", "range": "get", "size": "get", "put": "put", "delete": "delete", "list": "list"}


@dataclass(frozen=True, slots=True)
class Cost:
    """What something costs. Printing it shows it, with whose prices these are.

    Attributes
    ----------
    kinds
        Requests by kind.
    bytes_read, bytes_written
        Bytes that came and went; None where that is not known.
    prices
        At which prices.
    internet
        Whether what was read left the provider's region.
    """

    kinds: Mapping[str, int]
    bytes_read: int | None
    bytes_written: int
    prices: Prices
    internet: bool = False

    @property
    def for_requests(self) -> float:
        """Money for requests."""
        return sum(n * float(getattr(self.prices, _PRICED_AS[kind])) for kind, n in self.kinds.items()) / 1000

    @property
    def for_bytes(self) -> float:
        """Money for bytes read and written: retrieval, upload, and traffic where it is `internet`."""
        prices = self.prices
        read = prices.retrieval + (prices.egress if self.internet else 0.0)
        return ((self.bytes_read or 0) * read + self.bytes_written * prices.upload) / GB

    @property
    def total(self) -> float:
        """Money for all of it, in ``prices.currency``."""
        return self.for_requests + self.for_bytes

    def asdict(self) -> dict[str, Any]:
        """The figures as a plain dict."""
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
        moved = "not known" if self.bytes_read is None else f"{human_bytes(self.bytes_read)} read"
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


def of(
    what: Explanation | Report,
    prices: Prices | str,
    *,
    internet: bool = False,
    store: str | None = None,
) -> Cost:
    """What a read will cost (``a.explain[...]``), or what was measured has cost (a report of `exzarr.profile`).

    Parameters
    ----------
    what
        A plan or a report. Of a report's requests, those that a cache answered cost nothing; what a store tried
        again is not among them (``report.retries`` tells how often), and a listing is one, whatever its pages.
    prices
        A name of `known`, or prices of your own. Those that come with exzarr are typical list prices with their
        source and date: check your provider's price page.
    internet
        Whether the bytes leave the provider's region, and traffic is paid for.
    store
        Of a report, only requests to stores whose URL begins like this.
    """
    table = prices_of(prices) if isinstance(prices, str) else prices
    if isinstance(what, Explanation):
        return Cost(what.kinds, what.fetch_bytes, 0, table, internet)
    if not isinstance(what, Report):
        raise ArgumentError(f"a plan or a report has a cost, not a {type(what).__name__}")
    kinds: Counter[str] = Counter()
    read = written = 0
    for (url, kind), use in what.requests.items():
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

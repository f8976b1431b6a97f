"""Price tables: one in the package, and tables of your own. Check your provider's price page."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from exzarr.errors import ArgumentError

__all__ = ["Prices", "known", "prices", "prices_of_url"]

_MONEY = ("get", "put", "list", "delete", "retrieval", "upload", "egress")


@dataclass(frozen=True, slots=True)
class Prices:
    """Prices of a provider. Requests are priced per 1,000, bytes per GB of 2**30 bytes.

    Attributes
    ----------
    get, put, list, delete
        Price of 1,000 requests. get: of whole values, ranges and sizes. put: of writes. list: of pages of a listing.
        delete: of deletes.
    retrieval, upload
        Price of a GB read or written, in any region.
    egress
        Additional price of a GB that is read over the internet.
    provider, storage_class, region, currency
        The service that the prices belong to.
    source, date
        URL of the price page, and the date when the prices were valid.
    """

    get: float = 0.0
    put: float = 0.0
    list: float = 0.0
    delete: float = 0.0
    retrieval: float = 0.0
    upload: float = 0.0
    egress: float = 0.0
    provider: str = "custom prices"
    storage_class: str = ""
    region: str = ""
    currency: str = "USD"
    source: str = ""
    date: str = ""

    def __post_init__(self) -> None:
        for name in _MONEY:
            price = getattr(self, name)
            if not isinstance(price, (int, float)) or not 0 <= price < float("inf"):
                raise ArgumentError(f"price {name} must be a finite number of at least 0, not {price!r}")

    def __str__(self) -> str:
        name = " ".join(part for part in (self.provider, self.storage_class) if part)
        where = ", ".join(part for part in (self.region, self.date) if part)
        return f"{name} ({where})" if where else name


def known() -> dict[str, Prices]:
    """Return the prices that exzarr includes, by name: typical list prices, each with its source and date."""
    return dict(_shipped())


def prices_of_url(url: str) -> Prices | None:
    """Return the prices of the standard class of the service that a URL belongs to, or None if it is unknown.

    A server of your own with an S3 interface has such URLs too. You know what it costs.
    """
    name = _STANDARD.get(url.partition("://")[0].lower())
    return None if name is None else _shipped()[name]


_STANDARD = {
    "s3": "s3",
    "gs": "gcs",
    "gcs": "gcs",
    "az": "azure-hot",
    "abfs": "azure-hot",
    "abfss": "azure-hot",
}
"""Names of prices by URL scheme."""


@cache
def _shipped() -> Mapping[str, Prices]:
    return _table(files("exzarr.cost").joinpath("prices.toml").read_text(encoding="utf-8"), "prices.toml")


def prices(name: str, table: str | os.PathLike[str] | None = None) -> Prices:
    """Return the prices with a name: ``"s3"``, ``"gcs"``, ``"azure-hot"``, ``"r2"``, ...

    Parameters
    ----------
    name
        A name of `known`, or of `table`.
    table
        A TOML file with tables like those in ``exzarr/cost/prices.toml``.

    Returns
    -------
    Prices

    Raises
    ------
    ArgumentError
        `name` is unknown, or `table` is not valid.
    """
    if table is None:
        found = _shipped()
    else:
        path = Path(table)
        found = _table(path.read_text(encoding="utf-8"), str(path))
    if name not in found:
        raise ArgumentError(f"unknown prices {name!r}; the known ones are {', '.join(sorted(found))}")
    return found[name]


def _table(text: str, where: str) -> dict[str, Prices]:
    try:
        document: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ArgumentError(f"cannot read prices from {where}: {error}") from error
    names = {each.name for each in fields(Prices)}
    found = {}
    for name, values in document.items():
        if not isinstance(values, dict) or not values.keys() <= names:
            raise ArgumentError(
                f"prices {name!r} in {where} must be a table with only the keys {', '.join(sorted(names))}"
            )
        found[name] = Prices(**values)
    return found

"""A plugin of pytest: xarray's tests read or write Zarr with exzarr in the place of zarr-python.

``--exchange=read`` makes ``engine="zarr"`` (and ``open_zarr``, which uses it) exzarr's engine. ``--exchange=write`` makes
``to_zarr`` of datasets, arrays and trees `exzarr.xarray.to_zarr`. Both may be given, and neither counts what zarr-python
passes. ``--outcomes=FILE`` writes the outcome of each test, with what it used: ``read``, ``write``.
"""

from __future__ import annotations

import functools
import json
import re
from pathlib import Path
from typing import Any

import pytest
import xarray
import zarr
from xarray.backends import ZarrBackendEntrypoint
from xarray.backends.common import BACKEND_ENTRYPOINTS

_PRIVATE = re.compile(r"^E +AssertionError: Expected '(getitem|_async\w+)' to have been called", re.MULTILINE)
"""A test that fails so has replaced methods of zarr-python's arrays, to see whether they are called."""

_running: pytest.Item | None = None
_outcomes: dict[str, dict[str, Any]] = {}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--exchange", action="append", default=[], choices=["read", "write"])
    parser.addoption("--outcomes", help="file for the outcomes")


def pytest_configure(config: pytest.Config) -> None:
    exchange = config.getoption("exchange")
    engine: Any = ZarrBackendEntrypoint
    if "read" in exchange:
        from exzarr.xarray import ExzarrBackendEntrypoint as engine  # type: ignore[no-redef]
    BACKEND_ENTRYPOINTS["zarr"] = ("zarr", _noting_engine(engine))
    for kind in (xarray.Dataset, xarray.DataArray, xarray.DataTree):
        write = kind.to_zarr
        if "write" in exchange:
            import exzarr.xarray

            write = _of_the_same_format(exzarr.xarray.to_zarr)
        kind.to_zarr = _noting(write, "write")


def _of_the_same_format(write: Any) -> Any:
    """Return the function with the default of zarr-python's setting for the Zarr format, which the tests change."""

    @functools.wraps(write)
    def call(*args: Any, **kwargs: Any) -> Any:
        if kwargs.get("zarr_format") is None and kwargs.get("mode") != "r+":
            kwargs["zarr_format"] = zarr.config.get("default_zarr_format")
        return write(*args, **kwargs)

    return call


def _noting_engine(engine: type) -> type:
    """Return the engine; each of its methods that open notes that the running test reads."""
    methods = "open_dataset open_datatree open_groups_as_dict".split()
    members = {name: _noting(getattr(engine, name), "read") for name in methods}
    # exzarr leaves the guess to zarr-python's engine, which tests expect.
    members["guess_can_open"] = ZarrBackendEntrypoint.guess_can_open
    return type(engine.__name__, (engine,), members)


def _noting(function: Any, use: str) -> Any:
    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        if _running is not None:
            _running.user_properties.append((use, True))
        return function(*args, **kwargs)

    return call


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Any:
    global _running
    _running = item
    try:
        return (yield)
    finally:
        _running = None


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Keep the outcome of the test itself, or of a fixture that failed."""
    if report.when == "call" or report.failed:
        outcome: str = "xfailed" if hasattr(report, "wasxfail") else report.outcome
        if report.failed and _PRIVATE.search(str(report.longrepr)):
            outcome = "private"
        uses = sorted({name for name, _ in report.user_properties})
        _outcomes[report.nodeid] = {
            "outcome": outcome,
            "uses": uses,
            "error": str(report.longrepr)[-2000:] if report.failed else "",
        }


def pytest_sessionfinish(session: pytest.Session) -> None:
    place = session.config.getoption("outcomes")
    if place and not hasattr(session.config, "workerinput"):  # not in a process of xdist
        Path(place).write_text(json.dumps(_outcomes, indent=0, sort_keys=True), encoding="utf-8")

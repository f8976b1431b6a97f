"""A plugin of pytest: zarr-python's tests get ``exzarr.zarr`` in the place of the synchronous interface of zarr.

It replaces the public functions, classes and exceptions of ``zarr``, ``zarr.api.synchronous`` and ``zarr.errors`` before
the test modules are imported, and what they import from private modules afterwards. zarr-python's own code keeps what it
has bound: its stores, data types, codecs and asynchronous classes stay zarr-python's.

``--outcomes=FILE`` writes the outcome of each test.
"""

from __future__ import annotations

import functools
import inspect
import json
import re
import sys
from pathlib import Path

import pytest
import zarr
import zarr.api.asynchronous
import zarr.api.synchronous
import zarr.core.array_spec
import zarr.errors
import zarr.testing.strategies

import exzarr
import exzarr.zarr.errors

for _name in exzarr.zarr.errors.__all__:
    if _name.endswith("Warning") and hasattr(zarr.errors, _name):
        setattr(exzarr.zarr.errors, _name, getattr(zarr.errors, _name))

import exzarr.zarr as ours  # noqa: E402 - after the warnings are replaced
import exzarr.zarr.settings  # noqa: E402

_FUNCTIONS = ours.api.synchronous.__all__
_NAMES = [*_FUNCTIONS, "Array", "Group", "config"]
_ERRORS = [name for name in ours.errors.__all__ if hasattr(zarr.errors, name)]

_replacements: dict[int, object] = {}
_outcomes: dict[str, str] = {}
_reports: dict[str, str] = {}


def _replace(module: object, name: str, new: object) -> None:
    old = getattr(module, name)
    _replacements[id(old)] = new
    _keep.append(old)
    setattr(module, name, new)


_keep: list[object] = []


_PRIVATE = re.compile(
    r"has no attribute '(_\w+|\w+_async|extra|codecs)'|^E +zarr\.errors\.\w+|zarr/api/asynchronous.py",
    re.MULTILINE,
)
"""A test that fails for want of these names, or in zarr-python's own code, tests its private or asynchronous interface."""

_ASYNCHRONOUS = re.compile(r"api\.asynchronous|Async(Array|Group)|async_api|_async_(array|group)")
"""A test with one of these names in its source tests the asynchronous interface."""

_used = False


def _noting(function):
    """Return `function`; it notes that the running test uses exzarr."""

    @functools.wraps(function)
    def call(*args, **kwargs):
        global _used
        _used = True
        return function(*args, **kwargs)

    return call


def _with_any_text(expect):
    """Return `expect` (``pytest.raises``) by class only: the texts of exceptions are not part of the interface."""
    return functools.wraps(expect)(lambda *args, match=None, **kwargs: expect(*args, **kwargs))


pytest.raises, pytest.warns = _with_any_text(pytest.raises), _with_any_text(pytest.warns)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--outcomes", help="file for the outcomes")


def pytest_configure(config: pytest.Config) -> None:
    for name in _NAMES:
        new = getattr(ours, name)
        _replace(zarr, name, _noting(new) if name in _FUNCTIONS else new)
    for name in _FUNCTIONS:
        setattr(zarr.api.synchronous, name, getattr(zarr, name))
    for kind in (exzarr.Array, exzarr.Group):
        setattr(kind, "__init__", _noting(kind.__init__))  # noqa: B010 - mypy refuses the assignment
    # zarr-python's own code keeps its class: 3.1 looks for the settings of all fields.
    _replacements[id(zarr.core.array_spec.ArrayConfig)] = ours.settings.ArrayConfig
    for name in _ERRORS:
        _replace(zarr.errors, name, getattr(ours.errors, name))


def pytest_collectstart(collector: pytest.Collector) -> None:
    """Replace what the test modules have imported from zarr-python's private modules."""
    for name, module in [*sys.modules.items()]:
        if name.startswith(("tests.test_", "zarr.testing.")):
            for variable, value in [*vars(module).items()]:
                new = _replacements.get(id(value))
                if new is not None:
                    setattr(module, variable, new)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Function):
    """Run each test with the default settings; keep the outcome of those that use exzarr."""
    global _used
    _used = False
    ours.config.reset()
    done = yield
    outcome = _reports.pop(item.nodeid, "passed")
    if _ASYNCHRONOUS.search(inspect.getsource(item.function)):
        outcome = "private"
    if _used and outcome != "skipped":
        _outcomes[item.nodeid] = outcome
    ours.config.reset()
    return done


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.outcome != "passed":
        text = str(report.longrepr)
        private = _PRIVATE.search(text) if report.failed else None
        _reports[report.nodeid] = "private" if private else "failed" if report.failed else "skipped"


def pytest_sessionfinish(session: pytest.Session) -> None:
    place = session.config.getoption("outcomes")
    if place:
        Path(place).write_text(json.dumps(_outcomes, indent=0, sort_keys=True))

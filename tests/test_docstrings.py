"""Public functions, classes, methods and properties have docstrings."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator
from typing import Any

import pytest

import exzarr

ROOMS = (
    "",
    ".aio",
    ".chunks",
    ".codecs",
    ".cost",
    ".errors",
    ".lab",
    ".multiscale",
    ".statistics",
    ".registry",
    ".stores",
    ".telemetry",
    ".zarr",
)


def members(name: str, thing: Any) -> Iterator[tuple[str, Any]]:
    yield name, thing
    if inspect.isclass(thing):
        for key, value in vars(thing).items():
            function = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
            if not key.startswith("_") and inspect.isfunction(function):
                yield f"{name}.{key}", getattr(thing, key)


@pytest.mark.parametrize("room", ROOMS)
def test_public_names_have_docstrings(room: str) -> None:
    if room == ".zarr":
        pytest.importorskip("zarr")
    package = importlib.import_module(f"{exzarr.__name__}{room}")
    public = [(name, getattr(package, name)) for name in package.__all__]
    ours = [(name, thing) for name, thing in public if getattr(thing, "__module__", "").startswith("exzarr")]
    assert [name for one in ours for name, thing in members(*one) if not inspect.getdoc(thing)] == []

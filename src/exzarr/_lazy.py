"""Names that a package exports and imports on first use.

A package lists its public names once, in its ``__init__.pyi``, as ``from module import Name as Name``. Type checkers
read that file, and `exports` reads it at run time.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

__all__ = ["exports"]

_IMPORT = re.compile(r"^from (\S+) import (?:\(([^)]*)\)|(.+))$", re.MULTILINE)
_NAME = re.compile(r"\w+ as (\w+)")


def exports(package: str, file: str) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """Return ``__getattr__``, ``__dir__`` and ``__all__`` for the package whose ``__init__.py`` is `file`."""
    stub = Path(file).with_suffix(".pyi").read_text(encoding="utf-8")
    homes = {
        name: module
        for module, several, one in _IMPORT.findall(stub)
        for name in _NAME.findall(several or one)
    }

    def get(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        home = homes[name]
        if f"{home}.{name}" == f"{package}.{name}":  # a module of the package
            return import_module(f"{package}.{name}")
        value = getattr(import_module(home), name)
        setattr(import_module(package), name, value)
        return value

    names = [*homes]
    return get, lambda: [*names], names

"""Other Zarr libraries, each as a function from a store's folder and an array's name to NumPy.

They stand beside exzarr as witnesses: what they read is theirs alone. Each imports its library when it is called.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np

from exzarr.errors import ExzarrError, MissingDependencyError, TimedOutError

__all__ = [
    "NODE_MODULES",
    "Peer",
    "Verdict",
    "has_zarrita",
    "judge",
    "tensorstore",
    "zarr_python",
    "zarrita",
]

Peer = Callable[[Path, str], "np.ndarray[Any, Any]"]
"""Reads one array, whole: of the hierarchy in a folder, by its path."""

NODE_MODULES = "EXZARR_NODE_MODULES"
"""The environment variable that names a ``node_modules`` folder with zarrita.js, where it isn't a checkout's."""


class PeerError(ExzarrError):
    """Another library could not read an array; says what that library said."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """How another library read an array: ``same`` values, ``other`` ones, or it ``refused``, and why."""

    outcome: Literal["same", "other", "refused"]
    reason: str = ""


def judge(peer: Peer, folder: Path, name: str, expected: np.ndarray[Any, Any]) -> Verdict:
    """Have `peer` read an array, and compare it with what was written, element by element (NaN equals NaN).

    Whatever a peer raises counts as a refusal: what matters is that it says so.
    """
    try:
        seen = np.asarray(peer(folder, name))
    except Exception as error:  # noqa: BLE001 - other libraries raise what they like
        return Verdict("refused", f"{type(error).__name__}: {error}".splitlines()[0])
    if seen.shape != expected.shape:
        return Verdict("other", f"shape {seen.shape}")
    if np.array_equal(_plain(seen), _plain(expected), equal_nan=expected.dtype.kind in "fc"):
        return Verdict("same")
    return Verdict("other", "values")


def _plain(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Strings as objects, since libraries differ in the kind of string; everything else as it is."""
    if values.dtype.kind in "TU":
        return values.astype(object)
    return values


def zarr_python(folder: Path, name: str) -> np.ndarray[Any, Any]:
    """By zarr-python."""
    import zarr

    return np.asarray(zarr.open_group(folder, mode="r")[name][...])


def tensorstore(folder: Path, name: str) -> np.ndarray[Any, Any]:
    """By TensorStore, which has to be told the version of the format."""
    import tensorstore as ts

    driver = "zarr3" if (folder / name / "zarr.json").exists() else "zarr"
    spec = {"driver": driver, "kvstore": {"driver": "file", "path": str(folder / name)}}
    return np.asarray(ts.open(spec, read=True).result().read().result())


def zarrita(folder: Path, name: str, *, timeout: float = 60.0) -> np.ndarray[Any, Any]:
    """By zarrita.js, in a process of node's that is killed after `timeout` seconds.

    Raises
    ------
    MissingDependencyError
        Where node or zarrita.js is not installed.
    TimedOutError
        It took too long.
    """
    node, modules = shutil.which("node"), _modules()
    if node is None or modules is None:
        raise MissingDependencyError(
            f"zarrita.js needs node, and a folder node_modules with zarrita in it that {NODE_MODULES} names"
        )
    script = Path(__file__).with_name("zarrita.mjs").read_text(encoding="utf-8")
    command = [node, "--input-type=module", "-e", script, "--", str(folder), name]
    try:
        done = subprocess.run(  # noqa: S603 - our own script; the names are arguments, no shell
            command, cwd=modules.parent, capture_output=True, text=True, timeout=timeout, check=False
        )
    except subprocess.TimeoutExpired:
        raise TimedOutError(f"zarrita.js did not read {name!r} within {timeout:g} s") from None
    if done.returncode:
        raise PeerError(f"node failed on {name!r}: {done.stderr.strip()[-500:]}")
    return _array(json.loads(done.stdout))


def has_zarrita() -> bool:
    """Whether node and zarrita.js are here."""
    return shutil.which("node") is not None and _modules() is not None


@cache
def _modules() -> Path | None:
    """The folder ``node_modules`` with zarrita.js: the one that was named, or a checkout's."""
    named = os.environ.get(NODE_MODULES)
    checkout = Path(__file__).parents[3] / "tests" / "js" / "node_modules"
    found = Path(named) if named else checkout
    return found.absolute() if (found / "zarrita").is_dir() else None


def _array(line: dict[str, Any]) -> np.ndarray[Any, Any]:
    """What ``zarrita.mjs`` printed, as an array."""
    if "error" in line:
        raise PeerError(line["error"])
    if "base64" not in line:
        return np.array(line["values"], object).reshape(line["shape"])
    flat = np.frombuffer(base64.b64decode(line["base64"]), line["dtype"])
    strides = [step * flat.itemsize for step in line["stride"]]
    return np.lib.stride_tricks.as_strided(flat, line["shape"], strides)

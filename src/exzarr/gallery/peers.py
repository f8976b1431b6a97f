"""Readers of other Zarr libraries: functions from a folder and an array's name to a NumPy array.

They verify exzarr independently, because they read without any code of exzarr. Each function imports its library when
you call it.
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
"""A function that reads one whole array of the hierarchy in a folder, by its path."""

NODE_MODULES = "EXZARR_NODE_MODULES"
"""Environment variable with a ``node_modules`` folder that has zarrita.js; the default is the one of a checkout."""


class PeerError(ExzarrError):
    """Another library could not read an array; the message is that of the library."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Result of another library's read: the ``same`` values, ``other`` values, or ``refused``, with the reason."""

    outcome: Literal["same", "other", "refused"]
    reason: str = ""


def judge(peer: Peer, folder: Path, name: str, expected: np.ndarray[Any, Any]) -> Verdict:
    """Read an array with `peer` and compare it with `expected`, element by element (NaN equals NaN).

    Any exception of the peer counts as a refusal.
    """
    try:
        seen = np.asarray(peer(folder, name))
    except Exception as error:  # noqa: BLE001 - other libraries raise any exception
        return Verdict("refused", f"{type(error).__name__}: {error}".splitlines()[0])
    if seen.shape != expected.shape:
        return Verdict("other", f"shape {seen.shape}")
    if np.array_equal(_plain(seen), _plain(expected), equal_nan=expected.dtype.kind in "fc"):
        return Verdict("same")
    return Verdict("other", "values")


def _plain(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Convert strings to objects, because libraries use different string types; return other values unchanged."""
    if values.dtype.kind in "TU":
        return values.astype(object)
    return values


def zarr_python(folder: Path, name: str) -> np.ndarray[Any, Any]:
    """Read an array with zarr-python."""
    import zarr

    return np.asarray(zarr.open_group(folder, mode="r")[name][...])


def tensorstore(folder: Path, name: str) -> np.ndarray[Any, Any]:
    """Read an array with TensorStore, which needs the version of the format as a driver name."""
    import tensorstore as ts

    driver = "zarr3" if (folder / name / "zarr.json").exists() else "zarr"
    spec = {"driver": driver, "kvstore": {"driver": "file", "path": str(folder / name)}}
    return np.asarray(ts.open(spec, read=True).result().read().result())


def zarrita(folder: Path, name: str, *, timeout: float = 60.0) -> np.ndarray[Any, Any]:
    """Read an array with zarrita.js, in a node process that is killed after `timeout` seconds.

    Raises
    ------
    MissingDependencyError
        node or zarrita.js is not installed.
    TimedOutError
        The read took longer than `timeout`.
    """
    node, modules = shutil.which("node"), _modules()
    if node is None or modules is None:
        raise MissingDependencyError(
            "reading with zarrita.js requires node and zarrita: install node, and set the environment variable "
            f"{NODE_MODULES} to a node_modules folder that contains zarrita"
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
    """Return whether node and zarrita.js are installed."""
    return shutil.which("node") is not None and _modules() is not None


@cache
def _modules() -> Path | None:
    """Return the ``node_modules`` folder with zarrita.js: from the environment, else from a checkout."""
    named = os.environ.get(NODE_MODULES)
    checkout = Path(__file__).parents[3] / "tests" / "js" / "node_modules"
    found = Path(named) if named else checkout
    return found.absolute() if (found / "zarrita").is_dir() else None


def _array(line: dict[str, Any]) -> np.ndarray[Any, Any]:
    """Convert a line of output of ``zarrita.mjs`` to an array."""
    if "error" in line:
        raise PeerError(line["error"])
    if "base64" not in line:
        return np.array(line["values"], object).reshape(line["shape"])
    flat = np.frombuffer(base64.b64decode(line["base64"]), line["dtype"])
    strides = [step * flat.itemsize for step in line["stride"]]
    return np.lib.stride_tricks.as_strided(flat, line["shape"], strides)

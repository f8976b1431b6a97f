"""Shared fixtures: hypothesis profiles, servers, and oracles in other languages."""

from __future__ import annotations

import gc
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

# Hypothesis profiles. None has a deadline, because the test machines are shared.
#   ci    (default) the same few examples in every run, so a failure is reproducible
#   dev   new examples in every run; failures are stored in .hypothesis/
#   soak  like dev, with many more examples: `make soak`
settings.register_profile(
    "ci",
    max_examples=40,
    deadline=None,
    derandomize=True,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "dev",
    deadline=None,
    derandomize=False,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("soak", settings.get_profile("dev"), max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

JS = Path(__file__).parent / "js"


def pytest_configure() -> None:
    """Let Ctrl-C reach tests that send SIGINT, and their child processes, also in a job that a shell runs in the background."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


SLOW_FOLDERS = {"crash", "fuzz", "gallery", "ingest", "interop", "processes", "website"}
SLOW_FIXTURES = {"azure_server", "client", "object_server", "run_python", "s3_server", "_server", "zarrita"}
SLOW_PARAMETERS = {"azure", "cluster", "s3"}
"""Values of parameters for which a test starts servers or processes."""


LONG_FOLDERS = {"gallery", "website"}
"""These start first, so that no worker waits at the end for a notebook of another."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests that `make test-fast` leaves out, and put the longest tests first.

    Tests of which only the source tells that they are slow have the mark `slow` there.
    """
    long = set()
    for item in items:
        folders = folders_of(item.path)
        if folders & LONG_FOLDERS:
            long.add(item)
        call = getattr(item, "callspec", None)
        values = {value for value in call.params.values() if isinstance(value, str)} if call else set()
        fixtures = set(getattr(item, "fixturenames", ()))
        if folders & SLOW_FOLDERS or fixtures & SLOW_FIXTURES or values & SLOW_PARAMETERS:
            item.add_marker("slow")
    items.sort(key=lambda item: (item not in long, item.get_closest_marker("slow") is None))


@cache
def folders_of(path: Path) -> frozenset[str]:
    """Return the names of the folders of a file of tests, below tests/."""
    return frozenset(path.relative_to(Path(__file__).parent).parts[:-1])


@pytest.fixture(scope="module", autouse=True)
def quick_collections() -> None:
    """Exempt all that earlier modules have made from garbage collection, so that `gc.collect()` in a test is quick."""
    gc.collect()
    gc.freeze()


class Zarrita:
    """Reads stores on disk with zarrita.js in Node.js."""

    def __init__(self, node: str) -> None:
        self._node = node

    def read(self, store: str | os.PathLike[str], *paths: str) -> list[dict[str, Any]]:
        """Read each array of `paths` (default: the root) with zarrita.js.

        The dicts have `shape`, `dtype` (zarrita's name), `dimension_names`, `attributes`, and `data`: an
        ndarray of that shape. Its elements are objects if zarrita's data type is a string or unknown to NumPy.
        """
        command = [self._node, str(JS / "read.mjs"), os.fspath(store), *paths]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"zarrita.js could not read {store} {list(paths)}:\n{done.stderr}")
        return [self._decode(json.loads(line)) for line in done.stdout.splitlines()]

    @staticmethod
    def _decode(array: dict[str, Any]) -> dict[str, Any]:
        try:
            dtype = np.dtype(array["dtype"])
        except TypeError:  # zarrita's own names: "string", "v2:U5", "v2:object"
            dtype = np.dtype(object)
        values = array["data"]
        if dtype.kind in "iu":
            values = [int(value) for value in values]
        elif dtype.kind == "f":
            values = [float(value) for value in values]
        data = np.empty(len(values), dtype)
        data[:] = values
        return {**array, "data": data.reshape(array["shape"])}


@pytest.fixture(scope="session")
def zarrita() -> Zarrita:
    """zarrita.js as an oracle. Skip if node or zarrita is missing (`make test` installs zarrita)."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    if not (JS / "node_modules" / "zarrita").is_dir():
        pytest.skip("zarrita.js is not installed: `npm ci` in tests/js")
    return Zarrita(node)


@pytest.fixture(scope="session")
def s3_server() -> Iterator[Any]:
    """A real S3 server (`tests.object_servers`), one per xdist worker."""
    pytest.importorskip("obstore")
    pytest.importorskip("moto")
    from tests import object_servers

    with object_servers.s3_server() as server:
        yield server


@pytest.fixture(scope="session")
def azure_server() -> Iterator[Any]:
    """A real Azure server. Skip if node or Azurite is missing (`make test` installs Azurite)."""
    pytest.importorskip("obstore")
    from tests import object_servers

    if shutil.which("node") is None:
        pytest.skip("node is not installed")
    if not object_servers.AZURITE.is_file():
        pytest.skip("Azurite is not installed: `npm ci` in tests/azurite")
    with object_servers.azure_server() as server:
        yield server


@pytest.fixture(params=["s3", "azure"])
def object_server(request: pytest.FixtureRequest) -> Any:
    """Each object server: S3 and Azure."""
    return request.getfixturevalue(f"{request.param}_server")


@pytest.fixture
def run_python() -> Callable[..., subprocess.CompletedProcess[str]]:
    """A function that runs Python source in a separate process, with the same interpreter."""

    def run(source: str, *args: str, **environ: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", source, *args]
        return subprocess.run(
            command, capture_output=True, text=True, check=False, env={**os.environ, **environ}
        )

    return run

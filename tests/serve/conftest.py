"""One server in a process of its own, by the command line, for all tests with real clients."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import exzarr

TOKEN = "token-of-the-tests"


@dataclass(frozen=True)
class Running:
    """A server in another process.

    Attributes
    ----------
    url
        Its address, with the token.
    folder
        The hierarchy that it serves.
    shown
        What it has printed.
    process
        The process.
    """

    url: str
    folder: Path
    shown: str
    process: subprocess.Popen[str]

    @property
    def port(self) -> int:
        return int(re.search(r":(\d+)/", self.url)[1])  # type: ignore[index]


def make_cube(store: Any, zarr_format: Any = 3) -> None:
    """Make a data set for xarray, with a large chunk, shards, and a group below it."""
    root = exzarr.open_group(store, mode="w", zarr_format=zarr_format, attributes={"title": "cube"})
    air = root.create_array(
        "air",
        shape=(40, 32, 64),
        chunks=(10, 16, 32),
        dtype="f4",
        dimension_names=("time", "lat", "lon"),
        shards=(20, 32, 64) if zarr_format == 3 else None,
    )
    air[:] = np.random.default_rng(1).normal(size=air.shape)
    root.create_array("lat", shape=(32,), dtype="f8", dimension_names=("lat",))[:] = np.linspace(-90, 90, 32)
    root.create_array("lon", shape=(64,), dtype="f8", dimension_names=("lon",))[:] = np.arange(64.0)
    large = root.create_array("deep/large", shape=(3 << 20,), chunks=(3 << 20,), dtype="u1", compressors=None)
    large[:] = np.random.default_rng(2).integers(0, 255, large.shape, "u1")


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server that ends with Ctrl-C."""
    folder = tmp_path_factory.mktemp("served") / "cube.zarr"
    make_cube(folder)
    command = [sys.executable, "-m", "exzarr", "serve", os.fspath(folder), "--port", "0", "--consolidate"]
    process = subprocess.Popen(
        [*command, "--cors", "*", "--token", TOKEN],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    shown = ""
    while "zarr.get(array)" not in shown and (line := process.stdout.readline()):
        shown += line
    match = re.search(r"at (http://\S+)", shown)
    assert match is not None, (shown, process.communicate())
    try:
        yield Running(match[1], folder, shown, process)
    finally:
        process.send_signal(signal.SIGINT)
        out, errors = process.communicate(timeout=60)
        assert (process.returncode, out, errors) == (0, "", "")

"""`exzarr tree` prints one line per node in terminals of any width."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import zarr
from rich.console import Console

import exzarr
from exzarr._cli.tree import tree_rows, tree_table

SOURCE = str(Path(exzarr.__file__).parents[1])
LONG = "a_name_that_is_longer_than_any_terminal_is_wide_" * 3


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """A hierarchy like the demo's: long names, shards, many named dimensions."""
    path = tmp_path_factory.mktemp("tree") / "climate.zarr"
    root = zarr.create_group(path)
    names = ("time", "latitude", "longitude")
    sst = root.create_array(
        "ocean/surface_temperature_monthly_mean",
        shape=(54, 18, 432), chunks=(12, 18, 144), shards=(24, 18, 432), dtype="f4", dimension_names=names,
    )  # fmt: skip
    sst[...] = np.arange(54 * 18 * 432, dtype="f4").reshape(54, 18, 432)
    root.create_array("ocean/time_bnds", data=np.zeros((54, 2)), dimension_names=("time", "bnds"))
    root.create_array(
        "deep/er/and/deeper/x",
        shape=(10_000_000, 10_000_000, 3, 4, 5, 6),
        chunks=(1000, 1000, 3, 4, 5, 6),
        dtype="i8",
    )
    root.create_array(f"ocean/{LONG}", data=np.zeros(3))
    return path


def lines(path, width):
    out = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    rows = tree_rows(str(path))
    out.print(tree_table(rows, out))
    return rows, out.file.getvalue().rstrip("\n").split("\n")


@pytest.mark.parametrize("width", [60, 61, 70, 80, 81, 100, 120, 121, 160, 200])
def test_tree_prints_one_line_per_node_within_the_width(path, width):
    rows, shown = lines(path, width)
    assert len(shown) == len(rows) + 1
    assert max(map(len, shown)) <= width
    sst = next(line for line in shown if "54" in line and "432" in line)
    assert "float32" in sst
    assert re.search(r"54×18×432|time 54, latitude 18, longitude 432", sst)


def test_wider_terminal_shows_more_columns(path):
    (_, narrow), (_, wide) = lines(path, 60), lines(path, 400)
    assert narrow[0].split() == ["shape", "type"]
    assert wide[0].split() == ["shape", "type", "chunks", "shards", "in", "memory", "stored"]
    assert "time 54, latitude 18, longitude 432" in "\n".join(wide)
    assert LONG in "\n".join(wide)
    assert "…" in "\n".join(narrow)


def test_pipe_gets_all_columns_for_any_terminal_width(path):
    done = subprocess.run(
        [sys.executable, "-m", "exzarr", "tree", str(path)],
        capture_output=True, text=True, check=True, encoding="utf-8",
        env={**os.environ, "PYTHONPATH": SOURCE, "COLUMNS": "60", "PYTHONIOENCODING": "utf-8"},
    )  # fmt: skip
    assert LONG in done.stdout
    assert "24×18×432" in done.stdout
    assert len(done.stdout.splitlines()) == len(tree_rows(str(path))) + 1


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="no pseudo-terminals")
@pytest.mark.parametrize("width", [60, 80, 120])
def test_tree_fits_a_real_terminal(path, width):
    import pty

    main, terminal = pty.openpty()
    done = subprocess.Popen(
        [sys.executable, "-m", "exzarr", "tree", str(path), "--depth", "2"],
        stdout=terminal, stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": SOURCE, "COLUMNS": str(width), "TERM": "xterm", "PYTHONIOENCODING": "utf-8"},
    )  # fmt: skip
    os.close(terminal)
    shown = b""
    try:
        while piece := os.read(main, 65536):
            shown += piece
    except OSError:  # the terminal is closed
        pass
    os.close(main)
    _, errors = done.communicate()
    assert (done.returncode, errors) == (0, b"")
    text = re.sub(r"\x1b\[[0-9;]*m", "", shown.decode()).replace("\r\n", "\n").rstrip("\n").split("\n")
    assert len(text) == len(tree_rows(str(path), 2)) + 1
    assert max(len(line.rstrip()) for line in text) <= width

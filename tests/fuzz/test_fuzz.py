"""Damaged documents, chunks, shards, zips and plans raise only exzarr's errors."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from exzarr.testing.limits import limited_time
from exzarr.testing.strategies import damaged
from tests.breadth import examples
from tests.fuzz.targets import SEEDS, TARGETS

GOOD = {target: make() for target, make in SEEDS.items()}
JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 2**70)
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["NaN", "0x7fc00000", "r8", "zarr.json", "..", "\ud800", "x" * 5000]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@st.composite
def damaged_json(draw: Any, target: str) -> bytes:
    """Return a valid document with a few members, at any depth, replaced or removed."""
    document, nul, rest = draw(st.sampled_from(GOOD[target])).partition(b"\0")
    root = json.loads(document)
    for _ in range(draw(st.integers(1, 3))):
        node = root
        while isinstance(node, dict | list) and node:
            key = draw(st.sampled_from([*node] if isinstance(node, dict) else [*range(len(node))]))
            if isinstance(node[key], dict | list) and node[key] and draw(st.booleans()):
                node = node[key]
                continue
            if draw(st.integers(0, 3)):
                node[key] = draw(JUNK)
            else:
                del node[key]
            break
    return json.dumps(root).encode() + nul + rest


@pytest.mark.parametrize("target", TARGETS)
@given(st.data())
@examples(13)
def test_damaged_bytes_raise_only_exzarr_errors(target: str, data: Any) -> None:
    changed = data.draw(damaged(GOOD[target]))
    with limited_time():
        TARGETS[target](changed)


@pytest.mark.parametrize("target", ["zarr_json", "zarray", "zmetadata", "plan"])
@given(st.data())
@examples(27)
def test_invalid_json_documents_raise_only_exzarr_errors(target: str, data: Any) -> None:
    changed = data.draw(damaged_json(target))
    with limited_time():
        TARGETS[target](changed)


@pytest.mark.parametrize("target", TARGETS)
def test_seeds_are_valid(target: str) -> None:
    """The seeds of the fuzzers run without errors."""
    for data in GOOD[target]:
        TARGETS[target](data)
    assert len(set(GOOD[target])) == len(GOOD[target])


def test_the_command_runs() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz", "plan", "--seconds", "1", "--seed", "1"],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 0, done.stderr
    assert "no failures found" in done.stdout

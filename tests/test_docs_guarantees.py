"""docs/guides/guarantees.md names an existing test for every guarantee, and its last table equals the benchmark's."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from benchmarks.guarantees import LIBRARIES, ROWS_OF_TABLE

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "guides" / "guarantees.md"
TESTS = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE.read_text("utf-8"))


def rows(heading: str) -> list[list[str]]:
    """Return the cells of the table under a heading, without its header."""
    section = PAGE.read_text("utf-8").partition(f"## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


@pytest.mark.parametrize(("path", "name"), TESTS)
def test_the_test_that_proves_it_exists(path: str, name: str) -> None:
    module = ast.parse((ROOT / path).read_text("utf-8"))
    assert name in {node.name for node in ast.walk(module) if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize(
    "heading", ["Writing", "Changing an array", "Locks", "Files", "Servers, mirrors and statistics"]
)
def test_every_guarantee_names_stores_and_a_test(heading: str) -> None:
    assert len(rows(heading)) > 3
    for row in rows(heading):
        assert len(row) == 3, row
        assert all(row)
        assert re.fullmatch(r"`tests/[\w/]+\.py::test_\w+`", row[2]), row


def test_comparison_has_the_rows_of_the_benchmark() -> None:
    table = rows("Comparison with other libraries")
    assert [row[0] for row in table] == [*ROWS_OF_TABLE]
    assert {len(row) for row in table} == {1 + len(LIBRARIES)}
    assert {row[1] for row in table} == {"nothing"}, "exzarr loses nothing"

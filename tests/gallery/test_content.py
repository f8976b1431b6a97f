"""docs/content/: the roadmap is complete and correct, and the checklist's tests exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from exzarr.gallery.catalog import THEMES, notebooks

ROOT = Path(__file__).parents[2]
CONTENT = ROOT / "docs" / "content"


def rows(text: str) -> list[list[str]]:
    """Return the cells of all numbered rows."""
    lines = re.findall(r"^\| \d+ \|.*$", text, re.MULTILINE)
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


@pytest.fixture(scope="module")
def roadmap() -> tuple[list[list[str]], list[list[str]]]:
    first, _, topics = (CONTENT / "roadmap.md").read_text(encoding="utf-8").partition("## The forty topics")
    return rows(first), rows(topics)


def test_there_are_thirteen_tutorials_and_forty_topics(
    roadmap: tuple[list[list[str]], list[list[str]]],
) -> None:
    tutorials, topics = roadmap
    assert [row[0] for row in tutorials] == [str(n) for n in range(1, 14)]
    assert [row[0] for row in topics] == [str(n) for n in range(1, 41)]
    for row in (*tutorials, *topics):
        assert all(row), row
    assert {row[3] for row in tutorials} <= {"done", "next"}
    assert {row[1].strip("`").split("/")[0] for row in tutorials} <= set(THEMES)


def test_every_tutorial_is_the_state_of_a_topic(roadmap: tuple[list[list[str]], list[list[str]]]) -> None:
    tutorials, topics = roadmap
    assert all(re.fullmatch(r"later|tutorials? [\d, ]+", row[4]) for row in topics)
    named = {n for row in topics for n in re.findall(r"\d+", row[4])}
    assert named == {row[0] for row in tutorials}


def test_tutorials_marked_done_exist(roadmap: tuple[list[list[str]], list[list[str]]]) -> None:
    tutorials, _ = roadmap
    done = {row[1].strip("`") for row in tutorials if row[3] == "done"}
    assert done == {f"{one.theme}/{one.name}" for one in notebooks()}


def test_articles_have_the_numbers_of_their_tutorials(
    roadmap: tuple[list[list[str]], list[list[str]]],
) -> None:
    from website.articles import articles

    tutorials, _ = roadmap
    numbers = {row[1].strip("`").partition("/")[2]: int(row[0]) for row in tutorials}
    assert {one.notebook: int(one.path.name[:2]) for one in articles()}.items() <= numbers.items()


def test_tests_named_in_the_checklist_exist() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", (CONTENT / "checklist.md").read_text(encoding="utf-8"))
    assert len(named) > 10
    for path, name in named:
        module = ast.parse((ROOT / path).read_text(encoding="utf-8"))
        assert name in {node.name for node in ast.walk(module) if isinstance(node, ast.FunctionDef)}, name


def test_release_notes_of_this_version_exist() -> None:
    import exzarr

    major, minor, *_ = exzarr.__version__.split(".")
    notes = (ROOT / "docs" / f"RELEASE_NOTES_{major}.{minor}.md").read_text(encoding="utf-8")
    assert notes.startswith(f"# exzarr {major}.{minor}\n")

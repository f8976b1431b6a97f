"""Requirements of docs/content/checklist.md that can be checked without running a notebook."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("marimo", reason="the notebooks need marimo: pip install 'exzarr[gallery]'")

from exzarr.gallery.catalog import THEMES, Notebook, folder, notebooks

every_notebook = pytest.mark.parametrize("notebook", notebooks(), ids=lambda one: one.name)


def text_of(notebook: Notebook) -> str:
    return notebook.path.read_text(encoding="utf-8")


def test_every_file_is_found_and_has_a_header() -> None:
    found = {one.path for one in notebooks()}
    others = {"__marimo__", "data"}  # data/: input of a notebook, and the script that created it
    assert found == {path for path in folder().rglob("*.py") if not others & {*path.parts}}
    assert {one.theme for one in notebooks()} <= set(THEMES)


@every_notebook
def test_notebook_number_begins_with_the_theme_number(notebook: Notebook) -> None:
    assert notebook.name[:2] == notebook.theme[:2]


@every_notebook
def test_header_has_the_run_time(notebook: Notebook) -> None:
    assert re.search(r"\d+ s\b", notebook.header.run_time)


@every_notebook
def test_notebook_has_the_required_sections(notebook: Notebook) -> None:
    headings = re.findall(r"^\s*## (.+)$", text_of(notebook), re.MULTILINE)
    assert any(heading.startswith("Interoperability") for heading in headings)
    assert headings[-1] == "Performance and operations"


@every_notebook
def test_notebook_shows_figures_and_publishes_results(notebook: Notebook) -> None:
    text = text_of(notebook)
    assert "show.figure(" in text
    assert "show.results(" in text
    assert "style.use()" in text
    assert "pyplot" not in text


@every_notebook
def test_cells_are_short(notebook: Notebook) -> None:
    cells = [node for node in ast.parse(text_of(notebook)).body if isinstance(node, ast.FunctionDef)]
    lengths = {cell.name: (cell.end_lineno or 0) - cell.lineno for cell in cells}
    assert {name: length for name, length in lengths.items() if length > 80} == {}


def test_marimo_check_passes() -> None:
    paths = [str(one.path) for one in notebooks()]
    command = [sys.executable, "-m", "marimo", "check", "--strict", *paths]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_only_the_gallery_command_imports_the_gallery() -> None:
    package = Path(__file__).parents[2] / "src" / "exzarr"
    importing = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if re.search(r"^\s*(?:from|import) exzarr\.gallery", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert {path for path in importing if not path.startswith("gallery/")} == {"_cli/gallery.py"}

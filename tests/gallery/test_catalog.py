"""The catalogue reads headers from the source, and finds notebooks by a part of their name."""

from __future__ import annotations

from pathlib import Path

import pytest

from exzarr.errors import ArgumentError, NodeNotFoundError
from exzarr.gallery import catalog
from exzarr.gallery.catalog import find, notebooks, parse_header

HEADER = '''
@app.cell
def _(mo):
    mo.md(r"""
    # A title

    A sentence
    on two lines.

    - **Goal.** To see `it`.
    - **Data.** Made from a seed, and
      a line more.
    - **Licence.** None.
    - **Run time.** About 1 s.
    - **Try next.** More.

    Text that is not part of it.
    """)
    return


@app.cell
def _(mo):
    mo.md("# Another")
    return
'''


def test_header_is_read_without_running_the_notebook(tmp_path: Path) -> None:
    path = tmp_path / "notebook.py"
    path.write_text("import no_such_module\n" + HEADER)
    header = parse_header(path)
    assert header.title == "A title"
    assert header.summary == "A sentence on two lines."
    assert header.goal == "To see `it`."
    assert header.data == "Made from a seed, and a line more."
    assert header.try_next == "More."


@pytest.mark.parametrize(
    "source",
    [
        "",
        "mo.md('just text')",
        HEADER.replace("# A title", "A title"),
        HEADER.replace("- **Licence.** None.\n", ""),
        HEADER.replace("**Goal.**", "**Aim.**"),
    ],
)
def test_invalid_header_is_an_error_that_shows_the_required_form(tmp_path: Path, source: str) -> None:
    path = tmp_path / "notebook.py"
    path.write_text(source)
    with pytest.raises(ArgumentError, match=r"has to be the header: .*\*\*Goal\.\*\*.*writing-a-tutorial"):
        parse_header(path)


@pytest.mark.parametrize(
    "name",
    [
        "01_01_first_zarr_array",
        "first-zarr-array",
        "01_01",
        "01_core_zarr/01_01_first_zarr_array",
        "First_Zarr_Array.py",
    ],
)
def test_find_accepts_a_part_of_the_name(name: str) -> None:
    assert find(name).name == "01_01_first_zarr_array"


def test_missing_and_ambiguous_names_are_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        NodeNotFoundError, match="there is no notebook 'nothing'; there are 01_01_first_zarr_array"
    ):
        find("nothing")
    first = find("01_01_first_zarr_array")
    second = catalog.Notebook(first.path.with_stem("01_99_zarr_again"), first.header)
    monkeypatch.setattr(catalog, "notebooks", lambda: [first, second])
    with pytest.raises(ArgumentError, match="several names: 01_01_first_zarr_array, 01_99_zarr_again"):
        find("zarr")
    assert find("again") is second


def test_notebooks_are_sorted_by_theme_and_number() -> None:
    names = [f"{one.theme}/{one.name}" for one in notebooks()]
    assert names == sorted(names)

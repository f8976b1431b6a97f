"""Results of benchmark runs are stored one file per run, and the pages show the stored numbers."""

from __future__ import annotations

from pathlib import Path

from benchmarks import history, report, stored
from benchmarks.harness import Result
from benchmarks.probe import Figures
from benchmarks.targets import Run

DOCS = Path(__file__).parents[1] / "docs"


def test_pages_show_the_stored_results() -> None:
    runs = stored.load_all()
    page = (DOCS / "benchmarks.md").read_text(encoding="utf-8")
    assert page == report.as_markdown(runs[-1], "benchmarks.png")
    page = (DOCS / "benchmarks-history.md").read_text(encoding="utf-8")
    assert page == history.as_markdown(runs, "benchmarks-history.png")


def test_each_run_is_stored_in_its_own_file(tmp_path: Path) -> None:
    run = Run(
        [
            Result(
                "Whole reads", "raw", {"exzarr": [0.0125, 0.02], "TensorStore": [0.05]}, {"zarr-python": "no"}
            )
        ],
        [Figures("Import time", "import", 30, {"exzarr": 29.5})],
        {"zarrs-python": "not installed"},
    )
    for date in ("2026-01-02T03:04", "2026-01-01T03:04"):
        stored.save(stored.StoredRun(date, "make bench", "2 cores", {"exzarr": "0.2"}, run), tmp_path)
    first, last = stored.load_all(tmp_path)
    assert first.date < last.date
    assert last.run == run

"""Results of benchmark runs are stored one file per run, and the pages show the stored numbers."""

from __future__ import annotations

from pathlib import Path

from benchmarks import history, pipelines, report, stored
from benchmarks.harness import Result
from benchmarks.peers import ZARR
from benchmarks.probe import Figures
from benchmarks.targets import Run, verdicts

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


def test_pipelines_of_zarr_python_are_compared_in_every_run(tmp_path: Path) -> None:
    ours, default, fused = pipelines.LABEL, *ZARR
    times = {"exzarr": [1.0], ours: [2.0, 2.0, 4.0], default: [6.0], fused: [3.0], "zarrs-python": [4.0]}
    cpu = {label: [2 * seconds for seconds in one] for label, one in times.items()} | {fused: [2.0]}
    run = Run([Result("Whole reads", "raw", times, cpu=cpu)], [], {})
    stored.save(
        stored.StoredRun("2026-01-02T03:04", "make bench", "2 cores", {"exzarr": "0.2"}, run), tmp_path
    )
    run = stored.load_all(tmp_path)[0].run
    assert pipelines.table(run.results)[1:] == [
        ["Whole reads: raw", "2000.00 / 4000.00", "3.00 / 3.00", "1.50 / 0.50", "2.00 / 2.00"],
        ["Whole reads: median", "", "3.00 / 3.00", "1.50 / 0.50", "2.00 / 2.00"],
    ]
    assert ours not in run.labels
    words = {verdict.target: verdict.word for verdict in verdicts(run) if verdict.target.startswith(ours)}
    assert words[f"{ours}, reads, wall clock: every other pipeline ≥ 1.0"] == "PASS"
    assert words[f"{ours}, reads, CPU: every other pipeline ≥ 1.0"] == "MISS"
    assert words[f"{ours}, whole writes, CPU: zarrs-python ≥ 0.9"] == "----"

"""exzarr.gallery.processes: real processes that start together, are killed and restarted, and end."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from exzarr.gallery.processes import Supervisor, Team, WorkerFailedError, fragile_peak, python

SUCCEED_AT_THIRD_START = """
    # Counts its starts in a file, and succeeds at the third.
    import sys, time
    with open(sys.argv[1], "a") as file:
        file.write("x")
    if len(open(sys.argv[1]).read()) < 3:
        time.sleep(60)
    """


def children() -> list[psutil.Process]:
    return psutil.Process().children(recursive=True)


def test_team_starts_when_all_are_ready_and_returns_statuses(tmp_path: Path) -> None:
    program = """
        import pathlib, sys
        here = pathlib.Path(sys.argv[1])
        (here / f"ready-{sys.argv[2]}").touch()
        print("ready", flush=True)
        input()
        # A started process finds all others ready.
        sys.exit(len(list(here.glob("ready-*"))) + int(sys.argv[2]))
        """
    with Team(program, [[str(tmp_path), str(n)] for n in range(3)]) as team:
        assert team.running()
        team.go()
        assert team.statuses() == [3, 4, 5]
        assert not team.running()


def test_team_processes_end_if_the_block_raises() -> None:
    before = children()

    def fail() -> None:
        with Team("print(1, flush=True); input()", [[], []]):
            assert len(children()) == len(before) + 2
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert children() == before


def test_member_that_exits_early_is_an_error_and_the_others_end() -> None:
    before = children()
    program = "import sys, time\nif sys.argv[1] == '1': sys.exit(7)\nprint(1, flush=True); input()"
    with pytest.raises(WorkerFailedError, match="status 7 before it was ready"):
        Team(program, [["0"], ["1"]]).__enter__()
    assert children() == before


def test_killed_workers_are_restarted_until_they_succeed(tmp_path: Path) -> None:
    commands = {name: python(SUCCEED_AT_THIRD_START, str(tmp_path / name)) for name in ("north", "south")}
    with Supervisor(commands) as workers:
        killed = {"north": 0, "south": 0}
        while workers.watch():
            for name in workers.running():
                lives = (tmp_path / name).read_text() if (tmp_path / name).exists() else ""
                if len(lives) == killed[name] + 1 and killed[name] < 2:
                    assert workers.kill(name)
                    killed[name] += 1
            time.sleep(0.005)
        assert workers.running() == []
        assert not workers.kill("north")
    for name in ("north", "south"):
        assert [life.status for life in workers.lives if life.worker == name] == [-9, -9, 0]
        assert all(life.began <= life.ended for life in workers.lives)


def test_worker_that_dies_too_often_is_an_error_and_the_others_end() -> None:
    before = children()
    commands = {"bad": python("raise SystemExit(3)"), "good": python("import time; time.sleep(60)")}
    workers = Supervisor(commands, most=2, pause=0.001)

    def run() -> None:
        with workers:
            while workers.watch():
                time.sleep(0.005)

    with pytest.raises(WorkerFailedError, match="'bad' died 3 times, the last time with status 3"):
        run()
    assert [life.status for life in workers.lives] == [3, 3, 3]
    assert children() == before


def test_negative_reading_kills_the_process() -> None:
    assert fragile_peak(np.array([1.0, 3.5, 2.0])) == 3.5
    program = "import numpy, exzarr.gallery.processes as p; p.fragile_peak(numpy.array([1.0, -1.0]))"
    assert subprocess.run(python(program), check=False).returncode == -9

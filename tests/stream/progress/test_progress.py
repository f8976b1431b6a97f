"""Progress reports reach bars and callables, and end at the total."""

from __future__ import annotations

import gc
import io
import re
import subprocess
import sys
import time
import types
from collections.abc import Callable

import pytest
from rich.console import Console

from exzarr._stream.progress.progress import SILENT, ShownMeter, State, open_meter
from exzarr._stream.progress.terminal_bar import TerminalBar
from exzarr.errors import ArgumentError


def test_no_progress_needs_no_meter() -> None:
    assert open_meter(False, 10) is SILENT


def test_callable_gets_done_and_total() -> None:
    seen: list[tuple[int, int]] = []
    meter = open_meter(lambda *now: seen.append(now), 4)
    meter.add(nbytes=10)
    meter.add(2, failed=1)
    assert seen == [(1, 4), (3, 4)]
    meter.finish()
    assert seen == [(1, 4), (3, 4), (4, 4)]
    meter.finish()
    meter.close()
    assert len(seen) == 3


def test_end_is_reported_once() -> None:
    for total in (0, 1):
        seen: list[tuple[int, int]] = []
        meter = open_meter(lambda *now: seen.append(now), total)  # noqa: B023
        if total:
            meter.add()
        meter.finish()
        assert seen == [(total, total)]


def test_stream_left_early_reports_its_last_state() -> None:
    seen: list[tuple[int, int]] = []
    meter = open_meter(lambda *now: seen.append(now), 4)
    meter.add()
    meter.close()
    assert seen == [(1, 4)]


def test_invalid_progress_is_rejected() -> None:
    with pytest.raises(ArgumentError, match="progress"):
        open_meter(1, 4)  # type: ignore[arg-type]


def test_text_next_to_a_bar() -> None:
    assert State(3, 12, 0, 30 * 2**20, 10.0).words == "3/12 · 3 MiB/s · 0:30 left"
    assert State(12, 12, 2, 7200 * 2**20, 7200.0).words == "12/12 · 2 failed · 1 MiB/s · in 2:00:00"
    assert State(0, 12, 0, 0, 0.0).words == "0/12 · 0 B/s"
    assert (
        State(3 << 20, 12 << 20, 0, 3 << 20, 1.0, in_bytes=True).words
        == "3 MiB/12 MiB · 3 MiB/s · 3.0 s left"
    )


def on_a_terminal() -> tuple[Console, io.StringIO]:
    text = io.StringIO()
    return Console(file=text, force_terminal=True, width=100, color_system=None), text


def test_a_bar_in_a_terminal() -> None:
    console, text = on_a_terminal()
    meter = ShownMeter(3, TerminalBar("reading", console), 0.0)
    meter.add(nbytes=2**20)
    assert "reading" in text.getvalue()
    assert "1/3" in text.getvalue()
    meter.add(failed=1)
    meter.add()
    meter.finish()
    end = text.getvalue()
    assert "3/3 · 1 failed" in end
    assert re.search(r"[KMG]iB/s", end)
    assert end.count("\x1b[?25l") == end.count("\x1b[?25h") == 1  # the cursor is back


def test_dropped_bar_restores_the_terminal() -> None:
    console, text = on_a_terminal()
    meter = ShownMeter(3, TerminalBar("reading", console), 0.0)
    meter.add()
    del meter
    gc.collect()
    assert text.getvalue().count("\x1b[?25h") == 1


def test_bar_is_updated_at_intervals(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[State] = []

    class Display:
        def show(self, state: State) -> None:
            shown.append(state)

        def stop(self) -> None:
            pass

    clock = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    meter = ShownMeter(100, Display(), 0.1)
    for _ in range(100):
        clock[0] += 0.03
        meter.add(nbytes=3)
    meter.finish()
    assert 25 <= len(shown) <= 27
    assert (shown[-1].done, shown[-1].nbytes) == (100, 300)
    assert shown[-1].seconds == pytest.approx(3.0)


def test_a_bar_in_jupyter(monkeypatch: pytest.MonkeyPatch) -> None:
    outputs: list[str] = []

    class Handle:
        def update(self, html: str) -> None:
            outputs.append(html)

    def display(first: str, *, display_id: bool) -> Handle:
        assert display_id
        return Handle()

    shell = types.SimpleNamespace(kernel=object())
    ipython = types.ModuleType("IPython")
    ipython.get_ipython = lambda: shell  # type: ignore[attr-defined]
    module = types.ModuleType("IPython.display")
    module.HTML, module.display = str, display  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    meter = open_meter(True, 2, "reading <sst>")
    meter.add(nbytes=2**20)
    meter.finish()
    assert '<progress value="2" max="2">' in outputs[-1]
    assert "reading &lt;sst&gt;" in outputs[-1]
    shell.kernel = None  # IPython in a terminal
    meter = open_meter(True, 2)
    assert isinstance(meter, ShownMeter)
    assert type(meter._display) is TerminalBar
    meter.close()


def test_without_rich_the_error_names_the_extra(
    run_python: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    done = run_python(
        "import sys\n"
        "sys.modules['rich'] = None\n"
        "import exzarr\n"
        "from exzarr._stream.progress.progress import open_meter\n"
        "open_meter(lambda done, total: None, 3)\n"
        "try:\n"
        "    open_meter(True, 3)\n"
        "except exzarr.MissingDependencyError as error:\n"
        "    print(error)\n"
    )
    assert done.returncode == 0, done.stderr
    assert "exzarr[cli]" in done.stdout


def test_without_progress_nothing_is_imported(
    run_python: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    done = run_python(
        "import sys\n"
        "from exzarr._stream.progress.progress import open_meter\n"
        "open_meter(False, 3)\n"
        "print('rich' in sys.modules)\n"
    )
    assert (done.stdout, done.stderr) == ("False\n", "")

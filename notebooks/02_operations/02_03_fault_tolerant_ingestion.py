import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="Fault-tolerant ingestion")


@app.cell(hide_code=True)
def header(mo):
    mo.md(r"""
    # Fault-tolerant ingestion

    Kill ingesting processes at each of their requests: every block is in the array exactly once.

    - **Goal.** Ingest from several sources with supervised workers, know why no block is lost or stored twice, keep bad
      blocks for later, and retry transient failures.
    - **Data.** Electricity meters that send a block every quarter of an hour, generated from a seed
      (`exzarr.gallery.sensors`).
    - **Licence.** None is needed: nothing is downloaded.
    - **Run time.** About 8 s on two cores. Needs SIGKILL and fork: Linux or macOS.
    - **Try next.** Kill twenty workers; give two workers the same key and read the error; make the store fail at every
      third request.
    """)
    return


@app.cell
def imports():
    import os
    import signal
    import subprocess
    import time

    import marimo as mo
    import numpy as np

    import exzarr
    from exzarr.gallery import show, style
    from exzarr.gallery.processes import Supervisor, fragile_peak, python
    from exzarr.gallery.sensors import Fleet
    from exzarr.gallery.workspace import Workspace, size
    from exzarr.stores import LocalStore
    from exzarr.testing.faults import Fault, FaultPlan, FaultStore

    style.use()
    work = Workspace("tolerant")
    return (
        Fault, FaultPlan, FaultStore, Fleet, LocalStore, Supervisor, exzarr, fragile_peak,
        mo, np, os, python, show, signal, size, style, subprocess, time, work,
    )  # fmt: skip


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Two wrong programs

    A worker takes blocks from a source, appends each, and records its position, so that it can resume there after a
    crash. It can append first and record then, or the other way round. Below, both programs are killed between
    the two steps, and restarted.
    """)
    return


@app.cell
def naive(np, exzarr, python, show, subprocess, work):
    NAIVE = """
        import os, pathlib, signal, sys, numpy as np, exzarr
        array, note = exzarr.open_array(sys.argv[1], mode="r+"), pathlib.Path(sys.argv[2])
        append_first, dies_at = sys.argv[3] == "append", int(sys.argv[4])
        begin = int(note.read_text()) if note.exists() else 0
        for number in range(begin, 10):
            steps = [lambda: array.append(np.full(4, number)), lambda: note.write_text(str(number + 1))]
            first, second = steps if append_first else reversed(steps)
            first()
            if number == dies_at:
                os.kill(os.getpid(), signal.SIGKILL)
            second()
        """
    for _order in ("append", "note"):
        _array = exzarr.create_array(work / f"{_order}.zarr", shape=0, chunks=10, dtype="i4", overwrite=True)
        _note = work / f"{_order}.txt"
        _note.unlink(missing_ok=True)
        _ends = [
            subprocess.run(
                python(NAIVE, str(work / f"{_order}.zarr"), str(_note), _order, _dies), check=False
            ).returncode
            for _dies in ("6", "-1")
        ]
        _times = np.bincount(_array.refresh()[...], minlength=10) // 4
        show.check(f"{_order} first: the process was killed, and its second run succeeded", _ends == [-9, 0])
        show.results(**{f"{_order}_first": _times.tolist(), f"{_order}_first_of_block_6": int(_times[6])})
        print(f"{_order} first: the ten blocks are stored {_times.tolist()} times")
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    *At least once* stores block 6 twice. *At most once* loses it. With two steps there is no third behaviour. The solution
    is to make them one step: `exzarr.ingest` writes the rows beyond the end of the array, where readers do not look. Then
    it puts one metadata document with the new length **and** the position of the source.

    ## Kill a process at every request

    The following store counts its requests and kills its own process at the n-th one. For each n, the
    cell creates an empty array, starts a process that dies at that request, inspects what it left, and runs the ingestion
    again.
    """)
    return


@app.cell
def every_moment(np, exzarr, python, show, subprocess, work):
    DEADLY = """
        import os, signal, sys, numpy as np, exzarr
        from exzarr.stores import LocalStore, StoreWrapper

        class Deadly(StoreWrapper):
            def __init__(self, inner, last):
                super().__init__(inner)
                self.last, self.count = last, 0

            def local_path(self, key):
                return None  # no access to the files without a request

            def around(self, request, call):
                self.count += 1
                if self.count == self.last:
                    print(f"{self.last} {request.kind} {request.key}", flush=True)
                    os.kill(os.getpid(), signal.SIGKILL)
                return call()

        last, ended_well = 0, False
        while not ended_well:
            last += 1
            path = f"{sys.argv[1]}/{last}.zarr"
            exzarr.create_array(path, shape=(0, 2), chunks=(3, 2), dtype="i4", overwrite=True)
            child = os.fork()
            if not child:
                array = exzarr.open_array(Deadly(LocalStore(path), last), mode="r+")
                blocks = [np.full((2, 2), number + 1, "i4") for number in range(4)]
                exzarr.ingest(array, blocks, key="source", batch=2, workers=1)
                os._exit(0)
            ended_well = os.waitpid(child, 0)[1] == 0
        """
    _said = subprocess.run(
        python(DEADLY, str(work / "moments")), check=True, capture_output=True, text=True
    ).stdout.splitlines()
    moments = [tuple(_line.split()[1:]) for _line in _said]
    _source = [np.full((2, 2), _n + 1, "i4") for _n in range(4)]
    rows_left, noted, rows_then, whole = [], [], [], []
    for _n in range(1, len(moments) + 1):
        _array = exzarr.open_array(work / f"moments/{_n}.zarr", mode="r+")
        rows_left.append(_array.shape[0])
        noted.append(exzarr.ingest_position(_array, "source") or 0)
        whole.append(np.array_equal(_array[:, 0], np.repeat(np.arange(noted[-1]) + 1, 2)))
        exzarr.ingest(_array, _source, key="source")
        rows_then.append(_array.refresh()[:, 0].tolist())
    show.check("after every kill, the array holds whole blocks up to the recorded position", all(whole))
    show.check(
        "after every second run, all blocks are stored once",
        rows_then == [[1, 1, 2, 2, 3, 3, 4, 4]] * len(moments),
    )
    show.check("rows and recorded position always agree", rows_left == [2 * _blocks for _blocks in noted])
    show.check("the process was killed before and after each commit", sorted(set(noted)) == [0, 1, 2, 3])
    return moments, rows_left


@app.cell
def moments_picture(moments, np, rows_left, show, style):
    _fig, _axes = style.new_figure(7.6, 3.0)
    _x = np.arange(1, len(moments) + 1)
    _colours = [style.RED if key == "zarr.json" and kind == "put" else style.BLUE for kind, key in moments]
    _axes.bar(_x, rows_left, color=_colours, width=0.7)
    _axes.plot(_x, [0.12] * len(_x), linestyle="", marker="x", color=style.INK, markersize=4)
    _axes.axhline(8, color=style.GREY, linestyle="--", linewidth=1)
    _axes.text(1, 8.15, "after the second run, always", fontsize=8, va="bottom", ha="left")
    _axes.set(ylabel="rows that a reader sees", ylim=(0, 9.2))
    _axes.set_xticks(_x, [f"{kind} {key}" for kind, key in moments], rotation=90, fontsize=6.5)
    style.title(_axes, "Killed at each request in turn", "red: before the document is put")
    show.measured(moments=len(moments), commits_before=sum(k == ("put", "zarr.json") for k in moments))
    show.figure(
        "moments",
        _fig,
        alt="Rows left by a process killed at each of its requests: steps of whole commits, and all rows after the next run.",
    )
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    The number of rows changes only when `zarr.json` is put. Chunks that were stored before that do not count, and
    the next run overwrites them.

    ## Supervised workers

    Four gateways each have a worker process that ingests into the same array under its own key. A supervisor restarts
    every worker that dies. The notebook kills workers with SIGKILL, and reads the array at the same time. One block of
    each gateway is bad: it lacks a column. Select how many processes to kill:
    """)
    return


@app.cell
def slider(mo):
    kill_count = mo.ui.slider(0, 20, value=6, label="processes to kill")
    mo.hstack([kill_count], justify="start")
    return (kill_count,)


@app.cell
def supervised(Supervisor, exzarr, kill_count, np, python, show, size, time, work):
    WORKER = """
        import sys, time, numpy as np, exzarr
        from exzarr.gallery.sensors import Fleet

        path, letters, gateway, blocks = *sys.argv[1:3], *map(int, sys.argv[3:])
        fleet = Fleet(4, seed=7, missing=0)

        def readings(position):
            for number in range(position or 0, blocks):
                time.sleep(0.005)  # a slow modem
                minutes = np.arange(15 * number, 15 * number + 15)
                watts = np.rint(1000 * fleet.readings(minutes[0], minutes[-1] + 1)[:, gateway])
                rows = np.stack([np.full(15, gateway), minutes, watts], axis=1).astype("i4")
                yield rows[:, :2] if number == 7 else rows

        log = exzarr.open_array(path, mode="r+")
        exzarr.ingest(log, readings, key=f"gateway-{gateway}", dead_letter=letters, max_pending=4)
        """
    gateways, blocks = 4, size(30, full=400)
    letters_folder = work / f"letters-{time.monotonic_ns()}"
    log = exzarr.create_array(work / "log.zarr", shape=(0, 3), chunks=(600, 3), dtype="i4", overwrite=True)
    _commands = {
        f"gateway {_g}": python(WORKER, str(work / "log.zarr"), str(letters_folder), str(_g), str(blocks))
        for _g in range(gateways)
    }
    _due = list(np.linspace(0.05, 0.85, kill_count.value) * gateways * (blocks - 1) * 15)
    _rng, views, killed = np.random.default_rng(1), [], []
    _reader = exzarr.open_array(work / "log.zarr", mode="r")
    with Supervisor(_commands, most=kill_count.value) as _workers:
        _began, _going = time.monotonic(), True
        while _going:
            _going = _workers.watch()  # before the read, so that the last read sees all rows
            if _reader.refresh().shape[0] > (views[-1][1].shape[0] if views else 0) or not _going:
                views.append((time.monotonic() - _began, _reader[...]))
            _running = _workers.running()
            if _due and _running and views and views[-1][1].shape[0] >= _due[0]:
                _name = str(_rng.choice(_running))
                if _workers.kill(_name):
                    killed.append((time.monotonic() - _began, _name))
                    _due.pop(0)
            time.sleep(0.002)
    lives = [
        (_life.worker, _life.began - _began, _life.ended - _began, _life.status) for _life in _workers.lives
    ]
    show.check("only the killed processes died", sum(s == -9 for *_, s in lives) == len(killed))
    show.check("at the end each worker succeeded", sum(s == 0 for *_, s in lives) == gateways)
    show.results(workers=gateways, blocks_each=blocks)
    show.measured(killed=len(killed), processes=len(lives), looks=len(views), watched_ms=1e3 * views[-1][0])
    return blocks, gateways, killed, letters_folder, lives, log, views


@app.cell
def exactly_once(Fleet, blocks, gateways, log, np, show, views):
    _good = np.concatenate([np.arange(15 * n, 15 * n + 15) for n in range(blocks) if n != 7])
    _watts = np.rint(1000 * Fleet(4, seed=7, missing=0).readings(0, 15 * blocks))
    rows = log.refresh()[...]
    for _g in range(gateways):
        _own = rows[rows[:, 0] == _g]
        show.check(
            f"gateway {_g}: each minute once, in order, with its value",
            np.array_equal(_own[:, 1], _good) and np.array_equal(_own[:, 2], _watts[_good, _g]),
        )
    _never_wrong = [
        np.array_equal(_seen[_seen[:, 0] == _g, 1], _good[: (_seen[:, 0] == _g).sum()])
        and (_seen[:, 0] == _g).sum() % 15 == 0
        for _, _seen in views
        for _g in range(gateways)
    ]
    show.check("the reader never found a duplicate, missing or incomplete block", all(_never_wrong))
    show.results(log_rows=len(rows))
    return (rows,)


@app.cell
def lives_picture(gateways, killed, lives, np, show, style, views):
    _fig, (_above, _below) = style.new_figure(
        7.6, 4.4, rows=2, sharex=True, gridspec_kw={"height_ratios": [3, 2]}
    )
    _counts = np.array([np.bincount(_seen[:, 0], minlength=gateways) for _, _seen in views])
    _above.stackplot(
        [t for t, _ in views],
        _counts.T,
        step="post",
        alpha=0.85,
        linewidth=0,
        colors=style.COLOURS[:gateways],
    )
    for _worker, _begin, _end, _ in lives:
        _g = int(_worker[-1])
        _below.barh(_g, _end - _begin, left=_begin, height=0.6, color=style.COLOURS[_g], edgecolor="none")
    for _when, _worker in killed:
        _below.plot(_when, int(_worker[-1]), marker="X", color=style.INK, markersize=8, markeredgewidth=0)
        _above.axvline(_when, color=style.INK, linewidth=0.6, linestyle=":")
    _above.set_ylabel("rows that the reader sees")
    _below.set(xlabel="seconds", yticks=range(gateways), xlim=(0, None))
    _below.set_yticklabels([f"gateway {g}" for g in range(gateways)])
    _below.invert_yaxis()
    _below.grid(visible=False)
    style.title(_above, f"{len(killed)} kills, and no row lost or doubled", "✕ and dots: SIGKILL")
    show.figure(
        "kills",
        _fig,
        alt="Rows of four gateways grow over time while their processes, drawn as bars, are killed and restarted.",
    )
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Dead letters

    A block that cannot be stored must not stop the other blocks, and it must not be lost. exzarr stores it once in the
    folder for dead letters, with the reason, however often workers are killed. A person inspects the letters, repairs
    them, and ingests them under a new key.
    """)
    return


@app.cell
def dead_letters(Fleet, exzarr, gateways, letters_folder, log, np, rows, show, work):
    letters = list(exzarr.dead_letters(letters_folder))
    for _letter in letters:
        print(_letter.key, "block", _letter.number, _letter.data().shape, _letter.error)
    _watts = np.rint(1000 * Fleet(4, seed=7, missing=0).readings(0, 8 * 15))

    def repaired():
        for letter in letters:
            gateway, minutes = letter.data().T
            yield np.stack([gateway, minutes, _watts[minutes, gateway]], axis=1).astype("i4")

    exzarr.copy(log, work / "mended.zarr", overwrite=True)
    mended = exzarr.open_array(work / "mended.zarr", mode="r+")
    report = exzarr.ingest(mended, repaired(), key="repaired")
    again = exzarr.ingest(mended, repaired(), key="repaired")
    _whole = np.unique(mended.refresh()[:, :2], axis=0)
    show.check(
        "each bad block is one dead letter",
        [(m.key, m.number) for m in letters] == [(f"gateway-{g}", 7) for g in range(gateways)],
    )
    show.check(
        "the repaired blocks are in the array once",
        len(_whole) == mended.shape[0] == len(rows) + 15 * gateways,
    )
    show.results(
        letters=len(letters),
        letter=letters[0].error.split(": ")[1],
        repaired_rows=report.rows,
        repaired_again=again.rows,
    )
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Transient failures

    Most failures do not kill a process: a store is busy, a connection breaks. `retry` sets the number of attempts. A
    source that is a function is called again with the position that it had reached, and resumes there. Here
    every fifth request of the store fails, and the source fails at every third block.
    """)
    return


@app.cell
def retries(Fault, FaultPlan, FaultStore, LocalStore, exzarr, np, show, work):
    exzarr.create_array(work / "flaky.zarr", shape=(0, 3), chunks=(30, 3), dtype="i4", overwrite=True)
    _plan = FaultPlan({number: Fault("fail") for number in range(4, 1000, 5)})
    _store = FaultStore(LocalStore(work / "flaky.zarr"), _plan)
    _flaky = exzarr.open_array(_store, mode="r+")
    _calls, _broken = [], set()

    def _source(position):
        _calls.append(position)
        for number in range(position or 0, 12):
            if number % 3 == 2 and number not in _broken:
                _broken.add(number)
                raise ConnectionError("the line is dead")
            yield np.full((10, 3), number, "i4")

    _patient = exzarr.Retry(attempts=6, wait_initial=0.001, wait_max=0.01)
    _report = exzarr.ingest(_flaky, _source, key="line", retry=_patient, workers=1, batch=10)
    _rows = exzarr.open_array(work / "flaky.zarr")[:, 0]
    show.check("each block once, in order", np.array_equal(_rows, np.repeat(np.arange(12), 10)))
    show.check("the source was called again at the position where it failed", _calls == [None, 2, 5, 8, 11])
    show.check("requests failed", len(_store.happened) > 3)
    show.results(source_calls=len(_calls), flaky_blocks=_report.blocks)
    show.measured(store_failures=len(_store.happened))
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Chunks that kill their process

    Some chunks kill every process that works on them: a native library has a bug, or the chunk needs too much
    memory. In threads this ends the program. `parallel_chunk_map(executor="processes")` has its own supervisor. When a
    process dies, its chunk loses one attempt and the process is replaced. The error names a chunk that kills every
    process, and all other chunks are processed.
    """)
    return


@app.cell
def poison(Fleet, exzarr, fragile_peak, np, show, work):
    _readings = Fleet(8, seed=2, missing=0).readings(0, 1440)
    _readings = np.where(np.arange(1440)[:, None] == 700, np.float32(-1), _readings)
    _array = exzarr.create_array(work / "poison.zarr", data=_readings, chunks=(120, 8), overwrite=True)
    failed = []
    _peaks = dict(
        _array.parallel_chunk_map(
            fragile_peak, executor="processes", workers=2, retries=1, on_error=failed.append
        ).items()
    )
    _expected = {(k, 0): _readings[120 * k : 120 * k + 120].max() for k in range(12) if k != 5}
    show.check("all other chunks are processed", {k: np.float32(v) for k, v in _peaks.items()} == _expected)
    show.check("the error names the chunk", [error.index for error in failed] == [(5, 0)])
    show.results(poison_error=str(failed[0]).partition(": ")[2], poison_done=len(_peaks))
    print(failed[0])
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Interoperability: verify with zarr-python and pandas

    zarr-python reads the rows. pandas, which knows nothing about exzarr, searches them for duplicates and gaps.
    """)
    return


@app.cell
def interoperability(blocks, gateways, np, rows, show, work):
    import pandas as pd
    import zarr

    _theirs = zarr.open_array(work / "log.zarr", mode="r")[: len(rows)]
    _frame = pd.DataFrame(_theirs, columns=["gateway", "minute", "watts"])
    _counts = _frame.groupby("gateway").minute.agg(["count", "nunique", "max"])
    show.check("zarr-python reads the same rows", np.array_equal(_theirs, rows))
    show.check("pandas finds no duplicate", not _frame.duplicated(["gateway", "minute"]).any())
    show.check(
        "pandas finds no gap", (_counts["count"] == 15 * (blocks - 1)).all() and len(_counts) == gateways
    )
    show.table(_counts.reset_index().to_dict("records"))
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Performance and operations

    Each commit puts the metadata document, and rewrites a chunk that the previous commit left partial. The cost depends on
    the number of rows per commit (`batch`). For comparison: appends block by block that record no position, and one append
    of everything.
    """)
    return


@app.cell
def costs(Fleet, exzarr, np, show, style, time, work):
    _blocks = np.split(Fleet(48, seed=3).readings(0, 15 * 128), 128)

    def _new():
        return exzarr.create_array(
            work / "cost.zarr",
            shape=(0, 48),
            chunks=(480, 48),
            dtype="float32",
            fill_value=np.nan,
            overwrite=True,
        )

    def _rate(write):
        array = _new()
        started = time.perf_counter()
        write(array)
        seconds = time.perf_counter() - started
        show.check(
            "all rows are stored",
            np.array_equal(array.refresh()[...], np.concatenate(_blocks), equal_nan=True),
        )
        return 15 * 128 / seconds

    def _appends(array):
        for block in _blocks:
            array.append(block)

    _rates = {"append, block by block": _rate(_appends)}
    for _batch in (15, 60, 480):
        _rates[f"ingest, batch={_batch}"] = _rate(
            lambda a, b=_batch: exzarr.ingest(a, _blocks, key="k", batch=b)
        )
    _rates["one append of all"] = _rate(lambda a: a.append(np.concatenate(_blocks)))
    _fig, _axes = style.new_figure(7.6, 2.6, grid="")
    _bars = _axes.barh(list(_rates), list(_rates.values()), color=[style.GREY, *[style.BLUE] * 3, style.GREY])
    _axes.bar_label(_bars, fmt=" {:,.0f}", color=style.INK, fontsize=8.5)
    _axes.set(xlabel="rows a second", xscale="log", xlim=(1e3, None), xticks=[])
    _axes.minorticks_off()
    _axes.invert_yaxis()
    style.title(_axes, "The price of a commit is paid once for each batch")
    show.measured(**{f"cost_{_k}": _value for _k, _value in enumerate(_rates.values())})
    show.figure(
        "cost",
        _fig,
        alt="Rows per second: ingestion with a commit for each block is near appends; larger batches are faster.",
    )
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    Summary:

    - **Chunk size.** If each commit fills a chunk (with shards, a shard), nothing is written twice. `batch`
      is in rows. The default fills the chunks of all workers, and commits earlier if the source has no more blocks ready.
    - **Throughput and latency.** Readers see rows after their commit. Large batches are fast; small ones are visible
      sooner. The blocks of a slow source are committed when they arrive, whatever `batch` says.
    - **What to monitor.** The distance between the position of each source (`exzarr.ingest_position`) and its latest
      block; the age of the last commit; dead letters, each of which should alert an operator; restarts per minute, which
      should be zero.
    - **Supervision.** Use systemd, Kubernetes, or a small supervisor such as the one in `exzarr.gallery.processes`. It
      can restart a worker at any time.
    """)
    return


@app.cell
def positions(exzarr, gateways, log, rows, show):
    _at = {f"gateway-{_g}": exzarr.ingest_position(log, f"gateway-{_g}") for _g in range(gateways)}
    show.check("each source is at the same position", len(set(_at.values())) == 1 and len(rows) > 0)
    print(_at)
    return


if __name__ == "__main__":
    app.run()

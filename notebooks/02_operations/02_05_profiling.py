import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="Find out why a read is slow")


@app.cell(hide_code=True)
def header(mo):
    mo.md(r"""
    # Find out why a read is slow

    Analyse a slow job with a plan, a profile, a sampler and a hook, and make it faster in two ways.

    - **Goal.** Find out whether a slow read waits, fetches, decodes or copies, and how many unnecessary bytes it decodes;
      make it faster; and check whether the fix also helps behind a slow network.
    - **Data.** 120 days of synthetic temperature on 120 × 240 points, from a seed.
    - **Licence.** None is needed: nothing is downloaded.
    - **Run time.** About 7 s on two cores.
    - **Try next.** Run your own job inside `with exzarr.profile() as report:` and print the report; draw its timeline
      with `report.plot("timeline.png")`.
    """)
    return


@app.cell
def imports():
    import collections
    import shutil
    import subprocess
    import sys
    import textwrap
    import time
    from pathlib import Path

    import marimo as mo
    import numpy as np

    import exzarr
    from exzarr import telemetry
    from exzarr.gallery import show, style
    from exzarr.gallery.workspace import Workspace, size
    from exzarr.stores import LatencyStore, LocalStore

    style.use()
    return (
        LatencyStore, LocalStore, Path, Workspace, collections, exzarr, mo, np, show, shutil, size, style, subprocess,
        sys, telemetry, textwrap, time,
    )  # fmt: skip


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## The slow job

    Each day a map arrives and is stored as one chunk. Each month you need the mean at a few stations. Both choices are
    natural, but together they are slow.
    """)
    return


@app.cell
def patient(Workspace, exzarr, np, show, size, time):
    days, ny, nx = size((120, 120, 240), full=(1460, 240, 480))
    rng = np.random.default_rng(12)
    season = 10 * np.sin(np.arange(days) / 365 * 2 * np.pi)[:, None, None]
    latitude = 25 * np.cos(np.linspace(-np.pi / 2, np.pi / 2, ny))[None, :, None]
    weather = np.round(season + latitude + rng.normal(0, 3, (days, ny, nx)), 1).astype("f4")

    work = Workspace("profiling")
    maps = exzarr.create_array(
        work / "maps.zarr", data=weather, chunks=(1, ny, nx), dimension_names=("day", "y", "x"),
        compressors="zstd", overwrite=True,
    )  # fmt: skip
    ys, xs = rng.integers(ny, size=16), rng.integers(nx, size=16)

    def one_by_one(array):
        return [float(array[:, y, x].mean(dtype="f8")) for y, x in zip(ys, xs, strict=True)]

    _began = time.perf_counter()
    means = one_by_one(maps)
    seconds = time.perf_counter() - _began
    expected = weather[:, ys, xs].mean(axis=0, dtype="f8")
    show.check("the means equal NumPy's", np.allclose(means, expected, rtol=1e-12))
    show.results(days=days, stations=len(ys), chunks=maps.nchunks, array_mb=maps.nbytes / 1e6)
    show.measured(slow_s=seconds)
    return expected, maps, one_by_one, weather, work, xs, ys


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Step 1: plan the read with explain

    `explain` reads no chunk. For the series of one station, it reports how many chunks the read needs, and how many bytes
    it decodes per byte requested. Move the slider, and compare three ways to get the same numbers: station by
    station; all stations in one read; station by station from chunks that are long in time.
    """)
    return


@app.cell
def stations_slider(mo):
    asked = mo.ui.slider(1, 16, value=12, label="stations")
    asked
    return (asked,)


@app.cell
def plans(asked, exzarr, maps, np, show, style, work, xs, ys):
    _series = exzarr.create_array(
        work / "empty.zarr", shape=maps.shape, chunks=(maps.shape[0], 12, 12), dtype="f4", overwrite=True
    )
    _some = [(int(y), int(x)) for y, x in zip(ys[: asked.value], xs[: asked.value], strict=True)]
    plan = maps.explain[:, _some[0][0], _some[0][1]]
    _of_series = _series.explain[:, _some[0][0], _some[0][1]]
    _chunk, _tall = maps.nbytes / maps.nchunks, _series.nbytes / _series.nchunks
    _decoded = {
        "one by one": plan.chunks * _chunk * asked.value,
        "in one read": plan.chunks * _chunk,
        "one by one, tall chunks": _of_series.chunks * _tall * asked.value,
    }
    _fig, _axes = style.new_figure(7.6, 1.9, grid="x")
    _axes.barh(
        [*_decoded], [value / 1e6 for value in _decoded.values()], color=[style.RED, style.BLUE, style.TEAL]
    )
    _axes.invert_yaxis()
    _axes.set_xscale("log")
    _axes.set_xlabel("MB to decode")
    style.title(_axes, f"{asked.value} stations: {asked.value * maps.shape[0] * 4 / 1e3:.0f} kB are wanted")
    show.check(
        "a station needs every map, but only one tall chunk",
        (plan.chunks, _of_series.chunks) == (maps.nchunks, 1),
    )
    show.check(
        "the amplification equals the number of points in a map",
        np.isclose(plan.amplification, maps.shape[1] * maps.shape[2]),
    )
    show.results(plan_chunks=plan.chunks, plan_amplification=plan.amplification)
    show.figure(
        "plans",
        _fig,
        alt="Bars: station by station, each map is decoded once for each station; in one read, once.",
    )
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Step 2: measure with profile

    `exzarr.profile()` around any block reports its time and its bytes, in four phases that never overlap within a
    thread. *Waiting* for the next chunk or a lock, *fetching* from the store, *decoding*, and *copying* elements to
    their place in the result.
    """)
    return


@app.cell
def profile_it(exzarr, maps, one_by_one, show):
    with exzarr.profile() as slow:
        one_by_one(maps)
    _read = slow.total("read")
    show.check("the profile counts every chunk, for every station", _read.chunks == 16 * maps.nchunks)
    show.results(slow_reads=_read.chunks, slow_amplification=_read.amplification)
    show.measured(decoding_percent=100 * slow.phases["read"]["decoding"] / sum(slow.phases["read"].values()))
    print(slow)
    return (slow,)


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Step 3: sample the whole program

    A profile covers exzarr only. py-spy covers the whole program: it inspects a running process a few hundred times per
    second and records the function that each thread executes. You do not have to change the program, and you can attach
    py-spy to one that is already running (`py-spy top --pid 1234`).
    """)
    return


@app.cell
def sampler(Path, collections, show, shutil, style, subprocess, sys, textwrap, work, xs, ys):
    _program = f"""
    import time
    import exzarr
    array = exzarr.open_array({str(work / "maps.zarr")!r})
    end = time.monotonic() + 1.5
    while time.monotonic() < end:
        for y, x in {[(int(y), int(x)) for y, x in zip(ys, xs, strict=True)]}:
            array[:, y, x].mean()
    """
    _script = work / "job.py"
    _script.write_text(textwrap.dedent(_program))
    _spy = shutil.which("py-spy") or str(Path(sys.executable).with_name("py-spy"))
    _command = [
        _spy,
        "record",
        "--rate",
        "200",
        "--format",
        "raw",
        "--output",
        str(work / "stacks.txt"),
        "--",
    ]
    _done = subprocess.run([*_command, sys.executable, str(_script)], capture_output=True, text=True)

    samples = collections.Counter()
    if _done.returncode == 0:
        for _line in (work / "stacks.txt").read_text().splitlines():
            _stack, _, _count = _line.rpartition(" ")
            if "exzarr" in _stack and "<module> (job.py" + ":3)" not in _stack:  # line 3: imports
                _function, _, _where = _stack.split(";")[-1].partition(" (")
                samples[f"{_function} ({_where.split('/')[-1].split(':')[0]})"] += int(_count)
    else:  # some systems forbid it
        print(_done.stderr)
    _top = samples.most_common(6) or [("not available on this system", 0)]
    _all = max(1, samples.total())

    _fig, _axes = style.new_figure(7.6, 2.2, grid="x")
    _axes.barh([name for name, _ in _top], [100 * n / _all for _, n in _top], color=style.PURPLE)
    _axes.invert_yaxis()
    _axes.set_xlabel("per cent of samples")
    style.title(_axes, "The function that a thread was in", "py-spy, 200 times a second")
    show.measured(
        samples=samples.total(), sampled_top=_top[0][0], sampled_top_percent=100 * _top[0][1] / _all
    )
    show.figure("samples", _fig, alt="Bars: nearly all samples are in the function that decompresses.")
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Step 4: count with a telemetry hook

    The profile adds up telemetry *events*. Any function can receive them. This one counts how often each chunk was read.
    An amplification of thousands suggests this question.
    """)
    return


@app.cell
def hook(collections, maps, np, one_by_one, show, telemetry, weather, xs, ys):
    reads = collections.Counter()
    with telemetry.listening(lambda event: reads.update([event.index]), only=telemetry.ChunkRead):
        one_by_one(maps)
    show.check("every chunk was read sixteen times", {*reads.values()} == {16} and len(reads) == maps.nchunks)

    together_reads = collections.Counter()
    with telemetry.listening(lambda event: together_reads.update([event.index]), only=telemetry.ChunkRead):
        together = maps.vindex[:, ys, xs]
    show.check(
        "in one read, every chunk was read once",
        {*together_reads.values()} == {1} and len(together_reads) == maps.nchunks,
    )
    show.check("the one read equals NumPy's", np.array_equal(together, weather[:, ys, xs]))
    show.results(times_read=max(reads.values()))
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Two fixes

    **Read all stations together.** One read with all stations is planned as a whole, and decodes each chunk once. This
    changes one line of the program.

    **Change the chunks.** If most reads are series of stations, use chunks that are long in time. `exzarr.copy` writes the
    array with other chunks, in bounded memory. (`parallel_chunk_map` or a stream can do this as well.) The old program is
    then fast without a change.
    """)
    return


@app.cell
def cures(exzarr, expected, maps, np, one_by_one, show, slow, style, time, work, xs, ys):
    exzarr.copy(maps, work / "series.zarr", chunks=(maps.shape[0], 12, 12), overwrite=True)
    series = exzarr.open_array(work / "series.zarr")

    def in_one_read(array):
        return array.vindex[:, ys, xs].mean(axis=0, dtype="f8").tolist()

    ways = {
        "one by one": (one_by_one, maps),
        "in one read": (in_one_read, maps),
        "other chunks": (one_by_one, series),
    }
    profiles, took = {"one by one": slow}, {}
    for _name, (_job, _array) in ways.items():
        _times = []
        for _ in range(2):
            _began = time.perf_counter()
            _means = _job(_array)
            _times.append(time.perf_counter() - _began)
        took[_name] = min(_times)
        with exzarr.profile() as _report:
            _job(_array)
        profiles[_name] = _report
        show.check(f"{_name}: the same means", np.allclose(_means, expected, rtol=1e-12))

    _fig, _axes = style.new_figure(7.6, 2.4, grid="x")
    _left = np.zeros(3)
    for _phase, _colour in zip(("waiting", "fetching", "decoding", "copying"), style.COLOURS, strict=False):
        _ms = np.array([1e3 * profiles[name].phases["read"][_phase] for name in ways])
        _axes.barh([*ways], _ms, left=_left, color=_colour, label=_phase)
        _left += _ms
    _axes.invert_yaxis()
    _axes.set_xlabel("ms of threads' time")
    _axes.legend(ncols=4, fontsize=8, loc="lower right")
    style.title(_axes, "Sixteen stations, three ways")
    _total = {name: profiles[name].total("read") for name in ways}
    show.check(
        "one read decodes a sixteenth of the chunks",
        16 * _total["in one read"].chunks == _total["one by one"].chunks,
    )
    show.check("other chunks: at most one chunk per station", _total["other chunks"].chunks <= 16)
    show.results(
        once_chunks=_total["in one read"].chunks, once_amplification=_total["in one read"].amplification,
        tall_chunks=_total["other chunks"].chunks, tall_read_amplification=_total["other chunks"].amplification,
    )  # fmt: skip
    show.measured(
        slow_ms=1e3 * took["one by one"], once_ms=1e3 * took["in one read"], tall_ms=1e3 * took["other chunks"],
        once_faster=took["one by one"] / took["in one read"], tall_faster=took["one by one"] / took["other chunks"],
    )  # fmt: skip
    show.figure(
        "phases",
        _fig,
        alt="Stacked bars of phases: decoding shrinks to a sixteenth, then to almost nothing.",
    )
    return in_one_read, series


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Behind a slow network

    Now each request takes 10 ms longer, as in an object store (`LatencyStore`). The same profile gives a different
    result: fetching takes most of the time. What matters is the *number* of requests, and how many of them are in flight
    concurrently. One read of many chunks keeps dozens in flight. Sixteen reads one after another wait sixteen times.
    """)
    return


@app.cell
def far_away(
    LatencyStore, LocalStore, exzarr, expected, in_one_read, np, one_by_one, show, style, time, work
):
    def far(name, concurrency=64):
        return exzarr.open_array(
            LatencyStore(LocalStore(work / name), 0.01, concurrency=concurrency), mode="r"
        )

    _jobs = {
        "one by one": (one_by_one, far("maps.zarr")),
        "in one read": (in_one_read, far("maps.zarr")),
        "in one read,\n4 requests at once": (in_one_read, far("maps.zarr", 4)),
        "other chunks": (one_by_one, far("series.zarr")),
    }
    _seconds, _requests, _share = {}, {}, {}
    for _name, (_job, _array) in _jobs.items():
        with exzarr.profile() as _report:
            _began = time.perf_counter()
            _means = _job(_array)
            _seconds[_name] = time.perf_counter() - _began
        show.check("behind the slow network, the same means", np.allclose(_means, expected, rtol=1e-12))
        _requests[_name] = sum(use.requests for use in _report.requests.values())
        _phases = _report.phases["read"]
        _share[_name] = 100 * _phases["fetching"] / sum(_phases.values())

    _fig, _axes = style.new_figure(7.6, 2.4, grid="x")
    _axes.barh([*_seconds], [*_seconds.values()], color=[style.RED, style.BLUE, style.BLUE, style.TEAL])
    for _row, _name in enumerate(_seconds):
        _axes.text(_seconds[_name], _row, f" {_requests[_name]:,} requests", va="center", fontsize=8)
    _axes.invert_yaxis()
    _axes.set_xlabel("seconds, 10 ms a request")
    style.title(_axes, "The same jobs, far away")
    _least, _most = min(_requests.values()), max(_requests.values())
    show.check("other chunks need the fewest requests", _requests["other chunks"] == _least)
    show.results(most_requests=_most, once_requests=_requests["in one read"], least_requests=_least)
    show.measured(
        far_slow_s=_seconds["one by one"], far_once_s=_seconds["in one read"],
        far_four_s=_seconds["in one read,\n4 requests at once"], far_tall_s=_seconds["other chunks"],
        far_fetching_percent=_share["one by one"],
    )  # fmt: skip
    show.figure(
        "far", _fig, alt="Bars: the time depends on the number of requests and on how many are in flight."
    )
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Interoperability: the fix helps every library

    Chunks are part of the format. Other libraries that read the array with other chunks also decode less.
    """)
    return


@app.cell
def interoperability(np, series, show, weather, work, xs, ys):
    import tensorstore
    import zarr

    _theirs = zarr.open_array(work / "series.zarr", mode="r")
    show.check("zarr-python has the same chunks", _theirs.chunks == series.chunks)
    show.check(
        "zarr-python reads the same stations",
        np.array_equal(_theirs[:, ys[0], xs[0]], weather[:, ys[0], xs[0]]),
    )
    _spec = {"driver": "zarr3", "kvstore": {"driver": "file", "path": str(work / "series.zarr")}}
    _array = tensorstore.open(_spec, read=True).result()
    show.check(
        "TensorStore reads the same stations",
        np.array_equal(_array[:, ys[1], xs[1]].read().result(), weather[:, ys[1], xs[1]]),
    )
    show.results(values_compared=2 * weather.shape[0])
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Performance and operations

    Summary:

    - **Use the tools in this order.** `explain` (costs nothing), `profile` (costs little), a sampler (if the profile shows
      that exzarr is not the problem), a hook (when you know what to count).
    - **Match the fix to the phase.** Decoding: other chunks, or a faster codec. Fetching: fewer requests (larger chunks,
      shards, consolidated metadata), more of them in flight, a cache. Copying: chunks are too small. Waiting: more workers
      than work, or other threads hold a lock. If the phases add up to much less than the elapsed time, the read is not
      the problem.
    - **Throughput and latency.** The profile of a whole job hides one slow request among a thousand fast ones. To find it,
      use `report.slowest` and the `seconds` of the events.
    - **What to monitor.** Amplification and requests per read, seconds per phase, and retries. `OpenTelemetry` of
      `exzarr.integrations` sends them to your existing monitoring.

    Without a hook, telemetry costs almost nothing. The cell below measures the cost of a profile.
    """)
    return


@app.cell
def cost_of_looking(exzarr, maps, show, time):
    def _profiled():
        with exzarr.profile():
            maps[...]

    _took = {"plain": [], "profiled": []}
    for _ in range(15):  # alternate, so that both run under the same conditions
        for _name, _job in (("plain", lambda: maps[...]), ("profiled", _profiled)):
            _began = time.perf_counter()
            _job()
            _took[_name].append(1e3 * (time.perf_counter() - _began))
    _plain, _with = min(_took["plain"]), min(_took["profiled"])
    show.measured(plain_ms=_plain, profiled_ms=_with)
    return


if __name__ == "__main__":
    app.run()

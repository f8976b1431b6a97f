import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="Parallel ingestion with backpressure")


@app.cell(hide_code=True)
def header(mo):
    mo.md(r"""
    # Parallel ingestion with backpressure

    Write from a fast producer to a slow store, without a limit and with one, and measure memory, throughput and latency.

    - **Goal.** Write from a fast source to a slow store with many requests in flight and bounded memory, and choose the
      number of workers and the length of the queue.
    - **Data.** A scanner over an endless strip, whose surface is generated from a seed (`exzarr.gallery.terrain`).
    - **Licence.** None is needed: nothing is downloaded.
    - **Run time.** About 9 s on two cores.
    - **Try next.** One worker and a queue of 64; sixteen workers and a queue of 2; a store with a latency of 100 ms.
    """)
    return


@app.cell
def imports():
    import time
    from concurrent.futures import ThreadPoolExecutor
    from contextlib import nullcontext

    import marimo as mo
    import numpy as np

    import exzarr
    from exzarr.gallery import show, style
    from exzarr.gallery.flow import Flow, MemoryTrace
    from exzarr.gallery.terrain import terrain
    from exzarr.gallery.workspace import Workspace, size
    from exzarr.stores import CountingStore, LatencyStore, LocalStore
    from exzarr.testing.faults import Fault, FaultPlan, FaultStore

    style.use()
    return (
        CountingStore, Fault, FaultPlan, FaultStore, Flow, LatencyStore, LocalStore, MemoryTrace, ThreadPoolExecutor,
        Workspace, exzarr, mo, np, nullcontext, show, size, style, terrain, time,
    )  # fmt: skip


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## A fast source and a slow store

    A scanner above a moving strip returns a frame of 256 × 256 heights on request. The
    store is a folder, but `LatencyStore` adds 10 ms to each request. This is about the latency of an object
    store in the same region.
    """)
    return


@app.cell
def source_and_store(LatencyStore, LocalStore, Workspace, exzarr, np, show, size, terrain, time):
    work = Workspace("ingestion")
    strip = (terrain((2048, 256), seed=5) * 4 + 1600).astype("uint16")
    LATENCY = 0.01
    frame_count = size(120, full=3000)

    def frame(number):
        """Return frame `number`, shape (1, 256, 256). The strip moves by 24 rows per frame; each frame has its own noise."""
        rows = np.arange(number * 24, number * 24 + 256)
        noise = np.random.default_rng([5, number]).integers(0, 16, (1, 256, 256), "uint16")
        return np.take(strip, rows, axis=0, mode="wrap")[None] + noise

    def slow_array(name, frames=frame_count, *, frames_in_chunk=1, wrap=lambda store: store):
        """Create an empty array for `frames` frames, behind a latency of 10 ms."""
        near = LocalStore(work / name)
        exzarr.create_array(
            near, shape=(frames, 256, 256), chunks=(frames_in_chunk, 256, 256), dtype="uint16",
            dimension_names=("frame", "row", "column"), overwrite=True,
        )  # fmt: skip
        return exzarr.open_array(wrap(LatencyStore(near, LATENCY)), mode="r+")

    frames = np.concatenate([frame(n) for n in range(frame_count)])
    _started = time.perf_counter()
    for _n in range(frame_count):
        frame(_n)
    producer_rate = frame_count / (time.perf_counter() - _started)
    one_by_one = slow_array("one.zarr", 20)
    _started = time.perf_counter()
    for _n in range(20):
        one_by_one[_n] = frames[_n]
    loop_rate = 20 / (time.perf_counter() - _started)
    show.check("the loop stores the frames unchanged", np.array_equal(one_by_one[...], frames[:20]))
    show.measured(producer_rate=producer_rate, loop_rate=loop_rate)
    show.results(frame_count=frame_count, frame_kb=frames[0].nbytes / 1e3, all_mb=frames.nbytes / 1e6)
    return LATENCY, frame, frame_count, frames, producer_rate, slow_array, work


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Without a limit

    The loop above waits for each request before it sends the next. The usual next step is a pool of threads:
    """)
    return


@app.cell
def without_a_limit(Flow, MemoryTrace, ThreadPoolExecutor, frame, frame_count, frames, np, show, slow_array):
    _array, pool_flow = slow_array("pool.zarr"), Flow()

    def _store(number, data):
        _array[number] = data[0]
        pool_flow.stored(number)

    with MemoryTrace() as pool_memory, ThreadPoolExecutor(4) as _pool:
        for _n in range(frame_count):
            pool_flow.made(_n)
            _pool.submit(_store, _n, frame(_n))
    show.check("the pool stores all frames", np.array_equal(_array[...], frames))
    show.measured(
        pool_most=pool_flow.most, pool_peak_mb=pool_memory.peak / 1e6, pool_rate=pool_flow.per_second(),
        pool_last_ms=1e3 * pool_flow.ages()[-1],
    )  # fmt: skip
    return pool_flow, pool_memory


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    This is four times as fast, but the queue of a pool is unbounded: nearly all frames were in memory before the first
    ones were stored. With enough frames the program runs out of memory.

    ## With a limit

    `write_stream` takes frames from a generator. It requests the next frame only while fewer than `max_pending` frames
    are waiting or being written. The generator pauses at its `yield`, and so does every generator that it reads
    from. This is *backpressure*. Move the sliders:
    """)
    return


@app.cell
def sliders(mo):
    max_pending = mo.ui.slider(steps=[1, 2, 4, 8, 16, 32, 64], value=8, label="frames that may wait")
    workers = mo.ui.slider(steps=[1, 2, 4, 8, 16], value=4, label="workers")
    mo.hstack([max_pending, workers], justify="start")
    return max_pending, workers


@app.cell
def stream_with(Flow, frame, nullcontext, slow_array):
    def stream(name, frames, *, watched_by=None, **options):
        """Write `frames` frames, and record when each was made and stored."""
        array, flow = slow_array(name, frames), Flow()

        def made():
            for number in range(frames):
                data = frame(number)
                flow.made(number)
                yield (number, 0, 0), data

        with watched_by or nullcontext():
            report = array.write_stream(made(), checkpoint=lambda r: flow.stored(r[0].start), **options)
        return array, flow, report

    return (stream,)


@app.cell
def with_a_limit(
    MemoryTrace, frame_count, frames, max_pending, np, pool_flow, pool_memory, show, stream, style, workers
):
    _memory = MemoryTrace()
    _array, _flow, _report = stream(
        "limited.zarr", frame_count, watched_by=_memory, max_pending=max_pending.value, workers=workers.value
    )
    show.check("all frames are stored", np.array_equal(_array[...], frames) and not _report.failed)
    show.check("no more than max_pending frames wait", _flow.most <= max_pending.value)
    show.results(limit=max_pending.value, limited_most=_flow.most, limited_written=_report.written)
    show.measured(limited_peak_mb=_memory.peak / 1e6, limited_rate=_flow.per_second())

    _fig, (_left, _right) = style.new_figure(7.6, 3.2, columns=2)
    for _one, _trace, _colour, _label in (
        (pool_flow, pool_memory, style.RED, "pool, no limit"),
        (_flow, _memory, style.BLUE, f"max_pending={max_pending.value}, workers={workers.value}"),
    ):
        _left.step(*_one.waiting(), where="post", color=_colour, label=_label)
        _right.plot(_trace.seconds, np.array(_trace.nbytes) / 1e6, color=_colour)
    _left.set(xlabel="seconds", ylabel="frames made and not stored", ylim=(0, None))
    _right.set(xlabel="seconds", ylabel="MB", ylim=(0, None))
    _left.legend(fontsize=8)
    style.title(_left, "The queue")
    style.title(_right, "Memory")
    show.figure(
        "queue",
        _fig,
        alt="Without a limit, frames and memory rise immediately and fall slowly; with one, both stay flat and low.",
    )
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    Both runs take about the same time: four workers with 10 ms per request store at most 400 frames per second, however
    many frames wait. A queue does not make a slow store faster. It only has to be long enough that every worker always
    finds the next item.

    ## Choose the number of workers

    More concurrent requests make a slow store faster, until another resource is exhausted: the producer, or the
    cores that compress.
    """)
    return


@app.cell
def more_workers(LATENCY, frame_count, np, producer_rate, show, stream, style):
    _counts, _rates = [1, 2, 4, 8, 16, 32], []
    for _w in _counts:
        _frames = min(frame_count, 25 * _w)
        _, _flow, _ = stream("workers.zarr", _frames, workers=_w, max_pending=2 * _w)
        show.check(f"with {_w} workers, at most {2 * _w} frames wait", _flow.most <= 2 * _w)
        _rates.append(_flow.per_second())
        show.measured(**{f"rate_{_w}": _rates[-1]})
    _fig, _axes = style.new_figure(7.6, 3.2, grid="both")
    _axes.plot(
        _counts, np.array(_counts) / LATENCY, color=style.GREY, linestyle="--", label="workers / 10 ms"
    )
    _axes.axhline(producer_rate, color=style.ORANGE, linestyle=":", label="what the scanner gives alone")
    _axes.plot(_counts, _rates, color=style.BLUE, marker="o", label="measured")
    _axes.set(xscale="log", yscale="log", xlabel="workers", ylabel="frames a second")
    _axes.set_xticks(_counts, _counts)
    _axes.set_yticks([100, 300, 1000, 3000], ["100", "300", "1,000", "3,000"])
    _axes.minorticks_off()
    _axes.legend(fontsize=8)
    style.title(_axes, "Twice the workers, twice the rate, up to a bend")
    show.figure(
        "workers",
        _fig,
        alt="Frames a second over workers: along the line of workers by latency at first, then flat.",
    )
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Choose the length of the queue

    Each waiting frame uses memory, and becomes *old* before it is stored. In a queue that is always full, the time
    from production to storage is its length divided by the rate (Little's law). Four workers, with queues of different
    lengths:
    """)
    return


@app.cell
def queue_length(np, show, stream, style):
    _limits, _rates, _ages = [1, 2, 4, 8, 16, 32, 64], [], []
    for _limit in _limits:
        _, _flow, _ = stream("length.zarr", max(40, 2 * _limit), workers=4, max_pending=_limit)
        _rates.append(_flow.per_second())
        _ages.append(1e3 * float(np.median(_flow.ages()[_limit // 2 :])))
        show.check(f"at most {_limit} wait", _flow.most <= _limit)
        show.measured(**{f"rate_of_{_limit}": _rates[-1], f"age_of_{_limit}": _ages[-1]})
    _fig, (_left, _right) = style.new_figure(7.6, 3.0, columns=2)
    _left.plot(_limits, _rates, color=style.BLUE, marker="o")
    _right.plot(_limits, _ages, color=style.ORANGE, marker="o", label="measured, median")
    _right.plot(
        _limits, 1e3 * np.array(_limits) / _rates, color=style.GREY, linestyle="--", label="length / rate"
    )
    for _axes in (_left, _right):
        _axes.set(xscale="log", xlabel="max_pending", ylim=(0, None))
        _axes.set_xticks(_limits, _limits)
        _axes.minorticks_off()
    _left.set_ylabel("frames a second")
    _right.set_ylabel("ms from made to stored")
    _right.legend(fontsize=8)
    style.title(_left, "Throughput: flat from 4 on")
    style.title(_right, "Latency: grows for ever")
    show.figure(
        "length",
        _fig,
        alt="Throughput grows up to a queue as long as there are workers; the age of frames grows with its length.",
    )
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Send fewer requests

    The second way to speed up a slow store is to send fewer requests. A chunk of eight frames needs one request for all
    eight. `write_stream` merges the frames of one chunk and writes the chunk when it is complete. The queue must
    therefore hold at least one chunk. If it is shorter, partial chunks are written, and each one is read back for the
    next part.
    """)
    return


@app.cell
def gathered(CountingStore, Flow, frame, frames, np, show, slow_array):
    _rows = []
    for _in_chunk, _limit in ((1, 32), (8, 32), (8, 4)):
        _counting = []

        def _counted(store, kept=_counting):
            kept.append(CountingStore(store))
            return kept[0]

        _array, _flow = slow_array("gathered.zarr", 96, frames_in_chunk=_in_chunk, wrap=_counted), Flow()
        _counting[0].reset()

        def _made(flow=_flow):
            for _n in range(96):
                flow.made(_n)
                yield (slice(_n, _n + 1), slice(None), slice(None)), frame(_n)

        _array.write_stream(
            _made(), workers=4, max_pending=_limit, checkpoint=lambda r, flow=_flow: flow.stored(r[0].start)
        )
        _puts, _reads = _counting[0].requests["put"], _counting[0].total - _counting[0].requests["put"]
        show.check(f"chunks of {_in_chunk}, queue of {_limit}", np.array_equal(_array[...], frames[:96]))
        show.results(**{f"puts_{_in_chunk}_{_limit}": _puts, f"reads_{_in_chunk}_{_limit}": _reads})
        show.measured(**{f"frames_{_in_chunk}_{_limit}": _flow.per_second()})
        _rows.append(
            {"frames in a chunk": _in_chunk, "max_pending": _limit, "puts": _puts, "reads": _reads,
             "frames a second": round(_flow.per_second())}
        )  # fmt: skip
    show.table(_rows)
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Build a pipeline

    A generator that reads from one stream and feeds another is a pipeline, and every stage in it is bounded. Here
    raw frames are read from the slow store, levelled, and written back to it. The reader is never further ahead
    of the writer than both windows together, even if the writer is slow.
    """)
    return


@app.cell
def stages(Flow, frame_count, frames, np, show, slow_array, stream):
    _raw, _, _ = stream("raw.zarr", 60, workers=16)
    flat, stage_flow = slow_array("flat.zarr", 60), Flow()
    READ_AHEAD, PENDING = 6, 4

    def _levelled():
        for chunk in _raw.chunk_stream(workers=4, prefetch=READ_AHEAD - 4):
            stage_flow.made(chunk.index[0])
            yield chunk.index, chunk.data - chunk.data.min(axis=(1, 2), keepdims=True)

    flat.write_stream(
        _levelled(), workers=2, max_pending=PENDING, checkpoint=lambda r: stage_flow.stored(r[0].start)
    )
    _expected = frames[:60] - frames[:60].min(axis=(1, 2), keepdims=True)
    show.check("the frames are level", np.array_equal(flat[...], _expected))
    show.check("no more chunks are between the stages than allowed", stage_flow.most <= PENDING)
    show.results(read_ahead=READ_AHEAD, pending=PENDING, in_memory_at_most=READ_AHEAD + PENDING)
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Handle a store that fails

    An overloaded store refuses requests ("503 Slow Down"). The argument `retries` repeats failed requests after increasing
    pauses. With `on_error="skip"`, the report names what still fails, and the rest is stored. Here every tenth request
    fails:
    """)
    return


@app.cell
def failures(Fault, FaultPlan, FaultStore, exzarr, frame, frames, np, show, slow_array):
    from exzarr import telemetry as _telemetry

    def _broken(name):
        plan = FaultPlan({number: Fault("fail") for number in range(5, 500, 10)})
        return exzarr.open_array(FaultStore(slow_array(name, 60).store, plan), mode="r+")

    def _items():
        return [((n, 0, 0), frame(n)) for n in range(60)]

    _plain = _broken("fails.zarr")
    without = _plain.write_stream(_items(), workers=8, on_error="skip")
    _retries = []
    _again = _broken("again.zarr")
    with _telemetry.listening(_retries.append, only=_telemetry.Retried):
        _again.write_stream(_items(), workers=8, retries=5)
    _good = exzarr.open_array(_again.store.inner)
    show.check(
        "the report names every failed frame, and all others are stored",
        without.written + len(without.failed) == 60,
    )
    show.check("some requests failed", 0 < len(without.failed) < 30)
    show.check("with retries, nothing is missing", np.array_equal(_good[...], frames[:60]))
    show.check(
        "a telemetry hook receives an event for each retry", len(_retries) == len(_again.store.happened)
    )
    show.results(failed_writes=len(without.failed), retries=len(_retries))
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Interoperability: other libraries read the array

    An array that was written in parallel is an ordinary Zarr array. zarr-python and TensorStore read the folder behind
    the slow store.
    """)
    return


@app.cell
def interoperability(frame_count, frames, np, show, stream, work):
    import tensorstore
    import zarr

    stream("shared.zarr", frame_count, workers=16, max_pending=32)
    _theirs = zarr.open_array(work / "shared.zarr", mode="r")[...]
    _spec = {"driver": "zarr3", "kvstore": {"driver": "file", "path": str(work / "shared.zarr")}}
    _others = tensorstore.open(_spec, read=True).result()[...].read().result()
    show.check("zarr-python reads the same frames", np.array_equal(_theirs, frames))
    show.check("TensorStore reads the same frames", np.array_equal(_others, frames))
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Performance and operations

    Without arguments, `write_stream` keeps as many requests in flight as the store prefers (a folder none, an object
    store 64), and at most 64 MiB waiting. This is a good default. The profile shows how the threads spent their time:
    """)
    return


@app.cell
def by_default(exzarr, frame_count, frames, np, show, stream):
    with exzarr.profile() as report:
        _array, _flow, _ = stream("default.zarr", frame_count)
    _phases = report.phases["write"]
    show.check("all frames are stored with the defaults", np.array_equal(_array[...], frames))
    show.check("there is one put per frame", report.total("write").chunks == frame_count)
    show.measured(
        default_rate=_flow.per_second(), default_most=_flow.most,
        putting_percent=100 * _phases["putting"] / sum(_phases.values()),
    )  # fmt: skip
    print(report)
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    Summary:

    - **Workers** are requests in flight: latency × the rate that you need. With 10 ms, 1,000 frames per second need
      ten workers. More workers than the processor or the network can feed add nothing.
    - **`max_pending`** determines memory and age. Twice the number of workers keeps all of them busy. If chunks hold
      several items, allow one chunk's items per worker. A longer queue only absorbs bursts of the source.
    - **Throughput and latency.** A longer queue adds latency and no throughput. A larger chunk adds both.
    - **What to monitor.** Waiting items (`progress=`, the event `StreamProgress`): if they are always at the limit, the
      store is the bottleneck; if they are always at zero, the source is. The age of the items when they are stored,
      retries (`Retried`), and the share of time that threads spend in `putting` (`exzarr.profile()`).
    """)
    return


if __name__ == "__main__":
    app.run()

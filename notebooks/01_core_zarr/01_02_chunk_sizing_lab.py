import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="The chunk sizing lab")


@app.cell(hide_code=True)
def header(mo):
    mo.md(r"""
    # The chunk sizing lab

    Find the chunk shape that suits your reads: count, estimate, then measure, and see how well the three agree.

    - **Goal.** Choose chunks and shards for a mix of reads, state the cost of the choice in numbers, and recognise
      when no single layout is good enough.
    - **Data.** Mean air temperatures of North America, 240 years of a climate model (Met Office), from the package
      `iris-sample-data`.
    - **Licence.** UK Open Government Licence.
    - **Run time.** About 8 s on two cores.
    - **Try next.** Use your own array and your own reads in the last call of `exzarr.lab.chunks`. Move the slider
      until the recommendation changes.
    """)
    return


@app.cell
def imports():
    import math
    import time

    import h5netcdf
    import iris_sample_data
    import marimo as mo
    import numpy as np

    import exzarr
    from exzarr.gallery import show, style
    from exzarr.gallery.workspace import Workspace, size
    from exzarr.stores.wrappers.latency import LatencyStore
    from exzarr.lab import Speeds, Window

    style.use()
    return (
        LatencyStore,
        Speeds,
        Window,
        Workspace,
        exzarr,
        h5netcdf,
        iris_sample_data,
        math,
        mo,
        np,
        show,
        size,
        style,
        time,
    )


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## One array, two ways to read it

    The array has 240 years, 37 latitudes and 49 longitudes. One colleague draws *maps*: one year, all points. Another
    colleague studies *series*: one point, all years. Zarr stores the array in chunks, and a read fetches and decodes
    every chunk that it touches completely. Each of the two reads has its own perfect chunk shape, and these shapes
    differ.
    """)
    return


@app.cell
def load(Workspace, exzarr, h5netcdf, iris_sample_data, show):
    with h5netcdf.File(f"{iris_sample_data.path}/A1B_north_america.nc") as _file:
        air = _file.variables["air_temperature"][...]
    work = Workspace("chunk-lab")

    def stored(name, **options):
        return exzarr.create_array(
            work / name, data=air, dimension_names=("time", "lat", "lon"), overwrite=True, **options
        )

    show.results(years=air.shape[0], lats=air.shape[1], lons=air.shape[2], array_mb=air.nbytes / 1e6)
    return air, stored, work


@app.cell
def by_hand(air, np, show, stored, style):
    layouts = {
        "one map a chunk": (1, 37, 49),
        "one series a chunk": (240, 1, 1),
        "small cubes": (20, 10, 10),
        "one chunk": (240, 37, 49),
    }
    reads = {"a map": np.s_[100], "a series": np.s_[:, 20, 30], "all of it": np.s_[:]}
    arrays = {name: stored(f"{name}.zarr", chunks=chunks) for name, chunks in layouts.items()}
    counts = {(name, read): a.explain[reads[read]] for name, a in arrays.items() for read in reads}

    _fig, _axes = style.new_figure(7.6, 3.2, columns=2)
    for _ax, _what in zip(_axes, ("requests", "amplification"), strict=True):
        for _k, _name in enumerate(layouts):
            _values = [getattr(counts[_name, read], _what) for read in reads]
            _ax.bar(np.arange(3) + 0.2 * _k - 0.3, _values, 0.18, label=_name)
        _ax.set_xticks(range(3), list(reads))
        _ax.set_yscale("log")
    style.title(_axes[0], "Requests")
    style.title(_axes[1], "Bytes decoded per byte wanted")
    _fig.legend(*_axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=8)
    for _name, _array in arrays.items():
        show.check(f"{_name}: a map equals the NumPy slice", np.array_equal(_array[100], air[100]))
        _slug = _name.replace(" ", "_")
        for _read in reads:
            _key = f"{_slug}_{_read.replace(' ', '_')}"
            _count = counts[_name, _read]
            show.results(**{f"requests_{_key}": _count.requests, f"amp_{_key}": _count.amplification})
    show.figure(
        "by-hand",
        _fig,
        alt="Bars: with a chunk for each map a series takes 240 requests; with a chunk for each series a map takes 1,813.",
    )
    return arrays, counts


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    `explain` returned all these numbers without reading any chunk, because it makes the same plan as the read. Cubes
    are the compromise: no read is perfect, and no read is extremely slow.

    ## From counts to seconds

    Requests and bytes are different units. Which of two layouts is faster depends on the cost of a request and on the
    decoding speed. For a local disk, four speeds are enough:

    $$t = \text{call} + \frac{\text{requests} \cdot t_r + \text{fetched} / b + \text{chunks} \cdot t_c + \text{decoded} / d}{\text{threads}}$$

    An object store has many requests in flight. There requests cost time in *rounds* and not one by one. That is the
    whole model of `exzarr.lab.chunks`. This cell uses the speeds of a laptop, so that the result is the same
    everywhere. Without `speeds=`, the lab measures your machine first.
    """)
    return


@app.cell
def model(Speeds, Window, arrays, counts, exzarr, np, show):
    laptop = Speeds(call=20e-6, request=8e-6, bandwidth=5e9, chunk=4e-6, decode=1e9, ratio=1.25, workers=1)
    maps, series = Window(shape=(1, -1, -1)), Window(shape=(-1, 1, 1))
    _cubes = [(20, 10, 10), (240, 37, 49)]
    _report = exzarr.lab.chunks(
        (240, 37, 49), "f4", {"map": maps, "series": series}, speeds=laptop, layouts=_cubes, measure=False
    )
    _result = next(r for r in _report.layouts if r.layout.chunks == (240, 37, 49))
    _count = counts["one chunk", "a map"]
    _fetched = _count.decode_bytes / laptop.ratio
    _by_hand = (
        laptop.call
        + _count.requests * laptop.request
        + _fetched / laptop.bandwidth
        + _count.chunks * laptop.chunk
        + _count.decode_bytes / laptop.decode
    )
    show.check(
        "the model equals the formula above",
        np.isclose(_result.accesses["map"].cost.seconds, _by_hand, rtol=1e-4),
    )
    show.check(
        "the model counts the same requests as explain",
        _result.accesses["map"].counts.requests == _count.requests,
    )
    show.results(one_chunk_map_ms=1e3 * _by_hand)
    return laptop, maps, series


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Compare every layout

    Now consider a larger array: ten years of days on a grid of one degree, 3,650 × 180 × 360, nearly a gigabyte. The
    array does not exist, and it does not need to exist, because plans need only a shape. Each dot is a layout.
    Layouts on the left are fast for maps, and layouts at the bottom are fast for series. The lower left corner is
    empty. You can only **choose a point on the edge**, and the slider sets which one.

    Then change the store. In an object store, requests cost so much that decoding hardly matters, and larger chunks
    become better.
    """)
    return


@app.cell
def controls(mo):
    share = mo.ui.slider(5, 95, step=5, value=50, label="how much series matter, percent")
    where = mo.ui.dropdown(["a laptop", "an object store, 30 ms away"], value="a laptop", label="storage")
    mo.hstack([share, where], justify="start")
    return share, where


@app.cell
def frontier(Speeds, exzarr, laptop, maps, np, series, share, show, style, where):
    from dataclasses import replace as _replace

    shape = (3650, 180, 360)
    far = Speeds.s3(request=0.03, decode=laptop.decode, chunk=laptop.chunk, ratio=laptop.ratio)
    mix = {
        "map": _replace(maps, weight=1 - share.value / 100),
        "series": _replace(series, weight=share.value / 100),
    }
    answer = exzarr.lab.chunks(
        shape, "f4", mix, speeds=laptop if where.value == "a laptop" else far, measure=False
    )
    _ms = np.array([[1e3 * one.accesses[k].seconds for k in mix] for one in answer.layouts])
    _sizes = np.array([one.chunk_bytes for one in answer.layouts])
    _best = answer.layouts.index(answer.best)

    _fig, _axes = style.new_figure(7.2, 4.2, grid="both")
    _dots = _axes.scatter(_ms[:, 0], _ms[:, 1], c=np.log2(_sizes), s=34, cmap="viridis", alpha=0.9)
    _axes.scatter(*_ms[_best], s=190, facecolors="none", edgecolors=style.RED, linewidths=2)
    _axes.annotate(
        str(answer.best.layout), _ms[_best], xytext=(14, 22), textcoords="offset points", color=style.RED
    )
    _axes.set(xscale="log", yscale="log", xlabel="a map, ms", ylabel="a series, ms")
    _bar = _fig.colorbar(_dots, ax=_axes, label="bytes of a chunk", ticks=[12, 15, 18, 21, 24])
    _bar.ax.set_yticklabels(["4 KiB", "32 KiB", "256 KiB", "2 MiB", "16 MiB"])
    style.title(_axes, f"{where.value}: series count {share.value} %", f"{len(answer.layouts)} layouts")
    # Among layouts within 5 % of the best, the lab takes the one with the fewest objects.
    _beaten = (_ms * 1.06 < _ms[_best]).all(1).any()
    show.check("no layout is clearly better than the chosen one for both", not _beaten)
    show.figure(
        "frontier",
        _fig,
        alt="Layouts as dots: those that are fast for maps are slow for series. The chosen layout is on the edge.",
    )
    return answer, far, shape


@app.cell
def answer_in_words(answer, mo):
    mo.md("\n".join(f"- {reason}" for reason in answer.reasons))
    return


@app.cell
def numbers(exzarr, far, laptop, maps, series, shape, show):
    _mix = {"map": maps, "series": series}
    _near = exzarr.lab.chunks(shape, "f4", _mix, speeds=laptop, measure=False).best
    _far = exzarr.lab.chunks(shape, "f4", _mix, speeds=far, measure=False).best
    show.check("the chunks for an object store are larger", _far.chunk_bytes > 4 * _near.chunk_bytes)
    show.check(
        "on a local disk, no layout is close to the best for both reads",
        _near.score > 3 and _far.score < _near.score,
    )
    show.results(
        near_chunks=[*_near.layout.chunks], near_kib=_near.chunk_bytes / 1024, near_score=_near.score,
        near_map_slower=_near.accesses["map"].slower, near_series_slower=_near.accesses["series"].slower,
        far_chunks=[*_far.layout.chunks], far_kib=_far.chunk_bytes / 1024, far_score=_far.score,
        far_objects=_far.objects,
    )  # fmt: skip
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Check the model with measurements

    A model needs to be checked by measurements. Without `measure=False`, the lab writes a sample of the real data
    with the best layouts and with the present layout of the array. It counts the requests to the store, times the
    reads, and uses the errors of the model to correct its predictions.
    """)
    return


@app.cell
def measure(Window, arrays, exzarr, show):
    _mix = {"map": Window(shape={"time": 1}), "series": Window(shape={"lat": 1, "lon": 1})}
    with exzarr.config.override(workers=1):
        tried = exzarr.lab.chunks(arrays["one map a chunk"], access=_mix, measure=5, seconds=2)
    measured = [one for one in tried.layouts if one.trial]
    for _one in measured:
        for _name, _trial in _one.trial.accesses.items():
            show.check(
                f"{_one.layout}, {_name}: the store received the requests of the plan",
                abs(_trial.requests - _one.accesses[_name].counts.requests) < 1e-6,
            )
    _same, _pairs = tried.agreed
    show.measured(
        layouts_tried=len(measured), pairs=_pairs, same=_same, best_measured=str(tried.best.layout),
        now_series_ms=1e3 * tried.now.accesses["series"].seconds,
        best_series_ms=1e3 * tried.best.accesses["series"].seconds,
        now_map_ms=1e3 * tried.now.accesses["map"].seconds,
        best_map_ms=1e3 * tried.best.accesses["map"].seconds,
    )  # fmt: skip
    tried
    return measured, tried


@app.cell
def model_and_measurement(measured, show, style):
    _fig, _axes = style.new_figure(5.6, 4.0, grid="both")
    for _name, _colour in (("map", style.BLUE), ("series", style.ORANGE)):
        _predicted = [1e3 * one.predicted[_name] for one in measured]
        _took = [1e3 * one.trial.accesses[_name].seconds for one in measured]
        _axes.scatter(_predicted, _took, color=_colour, label=_name, s=36, zorder=3)
    _low, _high = _axes.get_xlim()
    _axes.plot([0.02, 20], [0.02, 20], color=style.GREY, linewidth=1, zorder=1)
    _axes.set(xscale="log", yscale="log", xlabel="the model says, ms", ylabel="it took, ms")
    _axes.legend()
    style.title(_axes, "What the model says, and what it takes", "each dot a layout")
    show.figure(
        "measured",
        _fig,
        alt="Dots close to the diagonal: layouts that the model calls slow are slow, over two powers of ten.",
    )
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Keep many requests in flight

    A series through 240 chunks is 240 requests. One after the other, they cost 240 round trips. With a bounded pool
    of requests in flight, they cost a few rounds. exzarr separates fetching from decoding, and each store states how
    many requests it wants in flight. In this cell, every request takes 4 ms longer than on the disk.
    """)
    return


@app.cell
def in_flight(LatencyStore, air, arrays, exzarr, np, show, style, time):
    lanes = [1, 4, 16, 64]
    _inner = arrays["one map a chunk"].store
    _took = []
    for _lanes in lanes:
        _slow = exzarr.open(LatencyStore(_inner, 0.004, concurrency=_lanes), mode="r")
        _started = time.perf_counter()
        _values = _slow[:, 20, 30]
        _took.append(1e3 * (time.perf_counter() - _started))
        show.check(
            f"{_lanes} requests in flight: the series equals the NumPy slice",
            np.array_equal(_values, air[:, 20, 30]),
        )
    _model = [max(1, 240 / n) * 4 for n in lanes]

    _fig, _axes = style.new_figure(5.6, 3.2)
    _axes.bar(range(4), _took, 0.55, label="measured")
    _axes.plot(range(4), _model, "o--", color=style.ORANGE, label="the model: rounds × 4 ms")
    _axes.set_xticks(range(4), [f"{n}" for n in lanes])
    _axes.set(xlabel="requests in flight", ylabel="ms", yscale="log")
    _axes.legend()
    style.title(_axes, "240 requests, 4 ms each")
    show.measured(serial_ms=_took[0], flight_ms=_took[-1], flight_gain=_took[0] / _took[-1])
    show.figure(
        "in-flight", _fig, alt="Bars that fall as more requests are in flight, along the model's line."
    )
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Plan an array of a terabyte

    Forty years of hours on a grid of a quarter of a degree is the shape of ERA5. Rechunking an array of this size is
    expensive, so choose its layout carefully. Chunks that are small enough for both reads would be millions of
    objects. *Shards* store many chunks in one object, and a reader fetches only the byte ranges that it needs.
    """)
    return


@app.cell
def terabyte(exzarr, far, maps, math, series, show, size):
    hours = size(350_640, full=350_640)
    era = exzarr.lab.chunks(
        (hours, 721, 1440), "f4", {"map": maps, "series": series}, speeds=far, objects=100_000, measure=False
    )
    chunk, shard = era.best.layout.chunks, era.best.layout.shards
    _objects = math.prod(-(-n // c) for n, c in zip(era.shape, shard or chunk, strict=True))
    show.check("the number of objects is correct", era.best.objects == _objects)
    show.check("the number of objects is within the limit", _objects <= 100_000)
    show.results(
        era_tb=hours * 721 * 1440 * 4 / 1e12, era_chunk=[*chunk], era_chunk_mb=era.best.chunk_bytes / 1e6,
        era_objects=_objects, era_map_s=era.best.accesses["map"].seconds,
        era_series_s=era.best.accesses["series"].seconds, era_layouts=len(era.layouts),
    )  # fmt: skip
    era.best.layout
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Rechunk in bounded memory

    After you know the layout, you have to rechunk the array. `exzarr.copy` reads and writes block by block and never
    holds more than `memory` bytes of elements. A terabyte takes hours, but it needs no large machine.
    """)
    return


@app.cell
def rechunk(air, arrays, exzarr, np, show, tried, work):
    steps = []
    exzarr.copy(
        arrays["one map a chunk"],
        work / "better.zarr",
        **tried.options,
        memory=2**20,
        overwrite=True,
        progress=lambda event: steps.append(event.done),
    )
    better = exzarr.open(work / "better.zarr", mode="r")
    show.check("the rechunked array equals the netCDF file", np.array_equal(better[...], air))
    show.check(
        "the progress rises to the size of the array", steps == sorted(steps) and steps[-1] == air.nbytes
    )
    return (better,)


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Interoperability: chunks of other libraries

    The lab accepts any array, and its recommendation is plain Zarr. Which chunks does zarr-python choose by default?
    Can zarr-python and TensorStore read the rechunked array, including its shards?
    """)
    return


@app.cell
def interoperability(Window, air, better, exzarr, laptop, np, show, work):
    import tensorstore
    import zarr

    theirs = zarr.create_array(work / "theirs.zarr", data=air, overwrite=True)
    _mix = {"map": Window(shape=(1, -1, -1)), "series": Window(shape=(-1, 1, 1))}
    verdict = exzarr.lab.chunks(work / "theirs.zarr", access=_mix, speeds=laptop, measure=False)
    show.check(
        "the lab reports the chunks that zarr-python chose", verdict.now.layout.chunks == theirs.chunks
    )

    by_zarr = zarr.open_array(work / "better.zarr", mode="r")
    show.check("zarr-python reads the same values", np.array_equal(by_zarr[...], air))
    show.check("zarr-python reports the same chunks", by_zarr.chunks == better.chunks)
    _spec = {"driver": "zarr3", "kvstore": {"driver": "file", "path": str(work / "better.zarr")}}
    by_tensorstore = tensorstore.open(_spec, read=True).result()[...].read().result()
    show.check("TensorStore reads the same values", np.array_equal(by_tensorstore, air))
    show.measured(zarr_python_chunks=[*theirs.chunks], zarr_python_score=verdict.now.score)
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Performance and operations

    You can monitor a layout in production. A profile adds up the bytes decoded and the bytes requested. If their
    ratio is far from the prediction of the lab, people read the array in a different way than you assumed.
    """)
    return


@app.cell
def monitor(better, exzarr, np, show):
    with exzarr.profile() as watched:
        better[100]
        better[:, 20, 30]
    _plans = better.explain[100], better.explain[:, 20, 30]
    use = watched.total("read")
    show.check("the profile counts the chunks of the plan", use.chunks == sum(one.chunks for one in _plans))
    show.check(
        "the profile counts the bytes of the plan",
        np.isclose(use.bytes_decoded, sum(one.decode_bytes for one in _plans)),
    )
    show.table(
        [
            {
                "read": "a map",
                "chunks": _plans[0].chunks,
                "decoded per wanted": round(_plans[0].amplification, 1),
            },
            {
                "read": "a series",
                "chunks": _plans[1].chunks,
                "decoded per wanted": round(_plans[1].amplification, 1),
            },
        ]
    )
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    Conclusions:

    - **Size.** On a local disk, decoding is the main cost, and small chunks in shards are best. In an object store
      the round trip is the main cost, and chunks of about a megabyte cost little more than small ones. Measure your
      own case: it takes a minute.
    - **Throughput or latency.** One large chunk has the best throughput and the worst latency for a small read. The
      weights in the lab set which of them matters more to you.
    - **What to monitor.** Watch the bytes decoded per byte requested, the requests per read, and the objects per
      array. Use `explain` before a read, `profile` during it, and `exzarr lab chunks PATH` when the numbers drift.
    - **When to stop.** If the best layout is several times slower than the best layout for each read alone, keep two
      copies. Disks cost less than waiting.
    """)
    return


if __name__ == "__main__":
    app.run()

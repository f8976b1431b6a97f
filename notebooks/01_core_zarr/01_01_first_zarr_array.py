import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="Your first Zarr array")


@app.cell(hide_code=True)
def header(mo):
    mo.md(r"""
    # Your first Zarr array

    Create an array on disk, write and read parts of it, and see which files each step touches.

    - **Goal.** Create, fill, read, save and open a Zarr array, stream an array larger than memory, and estimate the
      cost of a read before you run it.
    - **Data.** A synthetic landscape of 1,200 × 1,600 heights, generated from a seed (`exzarr.gallery.terrain`).
    - **Licence.** None is needed: nothing is downloaded.
    - **Run time.** About 3 s on two cores.
    - **Try next.** Add shards to the array (`shards=`) and look at its files again. Move the sliders until exzarr
      decodes one byte for each byte requested.
    """)
    return


@app.cell
def imports():
    import json
    import time

    import marimo as mo
    import numpy as np

    import exzarr
    from exzarr.gallery import chunk_maps, show, style
    from exzarr.gallery.terrain import terrain
    from exzarr.gallery.workspace import Workspace, size

    style.use()
    return Workspace, chunk_maps, exzarr, json, mo, np, show, size, style, terrain, time


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## An array is a grid of chunks

    A NumPy array is one block of memory. A Zarr array is cut into *chunks* of equal shape, and each chunk is
    compressed and stored separately. To read a part of the array, a program reads only the chunks that the part
    touches. Everything else in Zarr follows from this idea.

    Your array will contain heights: 1,200 rows of 1,600, in chunks of 200 × 200.
    """)
    return


@app.cell
def create(Workspace, exzarr, np, show, size, terrain):
    shape = size((1200, 1600), full=(6000, 8000))
    chunks = size((200, 200), full=(1000, 1000))
    heights = terrain(shape, seed=7)

    work = Workspace("first-array")

    def new_array(name):
        return exzarr.create_array(
            work / name,
            shape=shape,
            chunks=chunks,
            dtype="float32",
            fill_value=np.nan,
            dimension_names=("row", "column"),
            attributes={"units": "m"},
            overwrite=True,
        )

    empty = new_array("empty.zarr")
    show.check(
        "a new array is one file, its metadata", [str(f) for f in work.files("empty.zarr")] == ["zarr.json"]
    )
    show.check("elements that were never written read as the fill value", np.isnan(empty[0, 0]))
    show.results(rows=shape[0], columns=shape[1], chunks=empty.nchunks, array_mb=empty.nbytes / 1e6)
    return heights, new_array, shape, work


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Write a slice

    Assignment works as in NumPy. First write the survey of the north-west: 500 × 700 points. It covers some chunks
    completely and others in part. Only chunks that you have written to exist.
    """)
    return


@app.cell
def write_a_slice(chunk_maps, heights, new_array, np, shape, show, style, work):
    survey = (slice(0, shape[0] * 5 // 12), slice(0, shape[1] * 7 // 16))
    surveyed = new_array("survey.zarr")
    surveyed[survey] = heights[survey]

    stored = np.zeros(surveyed.cdata_shape, bool)
    for _file in work.files("survey.zarr/c"):
        stored[int(_file.parent.name), int(_file.name)] = True

    _fig, _axes = style.new_figure(6.4, 4.6, grid="")
    chunk_maps.draw_chunks(_axes, shape, surveyed.chunks, region=survey, stored=stored)
    style.title(_axes, "After the first survey", "hatched: chunks that do not exist")
    show.check("the survey reads back unchanged", np.array_equal(surveyed[survey], heights[survey]))
    show.check(
        "there is one file for each chunk that the survey touches, and no other file",
        np.array_equal(stored, chunk_maps.touched_chunks(shape, surveyed.chunks, survey)),
    )
    show.results(
        survey_rows=survey[0].stop, survey_columns=survey[1].stop, survey_chunks=surveyed.nchunks_initialized
    )
    show.figure(
        "first-survey",
        _fig,
        alt="The chunk grid: the chunks in the upper left that the survey touches exist, all others do not.",
    )
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    exzarr wrote the chunks at the survey's border in part. For each of them it read the existing chunk (missing here,
    so it used the fill value), inserted the new values, and stored the chunk again. It kept other writers out of the
    chunk during this update. Whole chunks need neither the reading nor the waiting, so **write along chunk borders
    where you can**.

    Now write the rest.
    """)
    return


@app.cell
def write_all(heights, json, new_array, np, show, work):
    hills = new_array("hills.zarr")
    hills[...] = heights

    stored_bytes = work.bytes_on_disk("hills.zarr")
    document = json.loads((work / "hills.zarr/zarr.json").read_text())
    show.check("the whole array reads back unchanged", np.array_equal(hills[...], heights))
    show.check("each chunk is one file", len(work.files("hills.zarr/c")) == hills.nchunks)
    show.results(codecs=", ".join([codec["name"] for codec in document["codecs"]]))
    show.measured(stored_mb=stored_bytes / 1e6, ratio=hills.nbytes / stored_bytes)
    return document, hills


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Files on disk

    One JSON document, `zarr.json`, describes the array. The chunks are stored next to it, each under its index in the
    grid: `c/2/5` is the chunk in the third row and the sixth column. There are no other files, no index and no
    database. Therefore many programs can read the array.
    """)
    return


@app.cell
def on_disk(document, json, mo, show, work):
    _files = [f"{work.bytes_on_disk(f'hills.zarr/{f}'):>8,}  {f}" for f in work.files("hills.zarr")]
    listing = "\n".join(["   bytes  file", *_files[:5], "     ...  ...", *_files[-2:]])
    _members = ("zarr_format", "shape", "data_type", "chunk_grid", "codecs", "fill_value")
    _parts = [f" {json.dumps(key)}: {json.dumps(document[key])}" for key in _members]
    show.measured(listing=listing)
    show.results(document="{\n" + ",\n".join(_parts) + "\n ...\n}")
    mo.md(f"```text\n{listing}\n```\n\n```text\n{{\n" + ",\n".join(_parts) + "\n ...\n}\n```")
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Read a slice, and estimate its cost first

    `explain` plans a read without running it. Move the window. The window itself is outlined, and the chunks that
    exzarr has to fetch and decode are highlighted. A window that crosses chunk borders costs more than a window
    within one chunk. A single row costs as much as a whole row of chunks.
    """)
    return


@app.cell
def controls(mo, shape):
    top = mo.ui.slider(
        0, shape[0] - shape[0] // 40, step=shape[0] // 120, value=shape[0] // 3, label="first row"
    )
    left = mo.ui.slider(
        0, shape[1] - shape[1] // 40, step=shape[1] // 160, value=shape[1] // 4, label="first column"
    )
    tall = mo.ui.slider(
        shape[0] // 120, shape[0], step=shape[0] // 120, value=shape[0] // 4, label="rows in the window"
    )
    wide = mo.ui.slider(
        shape[1] // 160, shape[1], step=shape[1] // 160, value=shape[1] // 4, label="columns in the window"
    )
    mo.vstack([mo.hstack([top, left], justify="start"), mo.hstack([tall, wide], justify="start")])
    return left, tall, top, wide


@app.cell
def read_a_slice(chunk_maps, heights, hills, left, np, shape, show, style, tall, top, wide):
    window = (slice(top.value, top.value + tall.value), slice(left.value, left.value + wide.value))
    plan = hills.explain[window]

    _fig, _axes = style.new_figure(6.4, 4.6, grid="")
    _coarse = heights[:: shape[0] // 150, :: shape[1] // 200]
    chunk_maps.draw_chunks(_axes, shape, hills.chunks, region=window, background=_coarse)
    style.title(
        _axes,
        f"{plan.chunks} of {hills.nchunks} chunks",
        f"{plan.amplification:.1f} bytes decoded for each one wanted",
    )
    show.check("the window equals the NumPy slice", np.array_equal(hills[window], heights[window]))
    show.check(
        "explain counts the same chunks as the picture",
        plan.chunks == chunk_maps.touched_chunks(shape, hills.chunks, window).sum(),
    )
    show.results(window_chunks=plan.chunks, window_amplification=plan.amplification)
    show.figure(
        "window",
        _fig,
        alt="A landscape under the chunk grid. The window is outlined, and the chunks that it touches are highlighted.",
    )
    return


@app.cell
def row_and_column(hills, np, heights, show):
    _row, _step = hills.explain[600], hills.explain[::-1, 5]
    show.check("negative steps work as in NumPy", np.array_equal(hills[::-1, 5], heights[::-1, 5]))
    show.results(
        row_chunks=_row.chunks, row_amplification=_row.amplification,
        column_chunks=_step.chunks, column_amplification=_step.amplification,
    )  # fmt: skip
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Save, and open again

    `exzarr.save` and `exzarr.load` are `numpy.save` and `numpy.load` for Zarr: a whole array in one call. `open`
    reads the metadata and determines the kind of node (array or group, Zarr v2 or v3). It reads no chunk until you
    ask for elements.
    """)
    return


@app.cell
def save_and_open(exzarr, hills, np, show, work):
    exzarr.save(work / "corner.zarr", hills[:100, :100])
    corner = exzarr.load(work / "corner.zarr")

    again = exzarr.open(work / "hills.zarr", mode="r")
    show.check("the loaded array equals the saved array", np.array_equal(corner, hills[:100, :100]))
    show.check("the attributes are stored with the array", again.attrs["units"] == "m")
    again
    return (again,)


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Stream an array that is larger than memory

    `chunk_stream` yields one chunk after the other. Threads read and decode the next chunks in the meantime. Never
    more than `workers + prefetch` chunks are in memory, whatever the size of the array. When the loop is slow, the
    threads wait for it. That is *backpressure*, and `chunk_stream` includes it.

    `parallel_chunk_map` calls a function for every chunk, for several chunks concurrently, and reduces the results as
    they arrive.
    """)
    return


@app.cell
def stream(again, heights, np, show):
    highest, where, total, order = -np.inf, (0, 0), 0.0, []
    for chunk in again.chunk_stream(workers=2, prefetch=2):
        order.append(chunk.index)
        total += float(chunk.data.sum(dtype=np.float64))
        if chunk.data.max() > highest:
            highest = float(chunk.data.max())
            _inside = np.unravel_index(int(chunk.data.argmax()), chunk.data.shape)
            where = tuple([int(s.start + i) for s, i in zip(chunk.region, _inside, strict=True)])
    mean = total / again.size

    def land_points(data):
        return int((data > 0).sum())

    land = again.parallel_chunk_map(land_points, workers=2, reduce=lambda a, b: a + b)

    show.check("chunks arrive in the order of the grid", order == list(np.ndindex(again.cdata_shape)))
    show.check("the summit is at the position that NumPy finds", heights[where] == heights.max() == highest)
    show.check("the mean equals NumPy's mean", np.isclose(mean, heights.mean(dtype=np.float64), rtol=1e-12))
    show.check("the number of land points equals NumPy's count", land == (heights > 0).sum())
    show.results(summit_m=highest, mean_m=mean, land_percent=100 * land / again.size)
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Interoperability: other libraries read the array

    Zarr is a format, not a library. zarr-python and TensorStore open the same folder, and exzarr reads what
    zarr-python writes.
    """)
    return


@app.cell
def interoperability(exzarr, heights, hills, np, show, work):
    import tensorstore
    import zarr

    by_zarr = zarr.open_array(work / "hills.zarr", mode="r")[...]
    _spec = {"driver": "zarr3", "kvstore": {"driver": "file", "path": str(work / "hills.zarr")}}
    by_tensorstore = tensorstore.open(_spec, read=True).result()[...].read().result()
    show.check("zarr-python reads the same values", np.array_equal(by_zarr, heights))
    show.check("TensorStore reads the same values", np.array_equal(by_tensorstore, heights))

    theirs = zarr.create_array(work / "theirs.zarr", data=heights[:300, :300], chunks=(64, 64))
    show.check(
        "exzarr reads the array that zarr-python wrote",
        np.array_equal(exzarr.open(work / "theirs.zarr")[...], theirs[...]),
    )
    show.results(values_compared=hills.size)
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Performance and operations

    **Chunks are the index of your data.** The next cell stores the same values in four chunk shapes and reads each in
    several ways. A shape that is good for one read is bad for another. The picture shows how many bytes exzarr
    decodes for each byte requested, which is the same on every machine. The times below it are from this machine.
    """)
    return


@app.cell
def chunk_shapes(exzarr, heights, np, shape, show, style, time, work):
    _whole = shape[0] * shape[1]
    layouts = {
        "rows": (shape[0] // 60, shape[1]),
        "columns": (shape[0], shape[1] // 80),
        "squares": (shape[0] // 6, shape[1] // 8),
        "tiny squares": (shape[0] // 60, shape[1] // 80),
    }
    _half = (shape[0] // 2, shape[1] // 2)
    reads = {
        "one row": (_half[0], slice(None)),
        "one column": (slice(None), _half[1]),
        "a window": (slice(_half[0], _half[0] + 150), slice(_half[1], _half[1] + 150)),
        "all of it": (slice(None), slice(None)),
    }

    def median_ms(array, selection):
        took = []
        for _ in range(5):
            _started = time.perf_counter()
            array[selection]
            took.append(time.perf_counter() - _started)
        return 1e3 * float(np.median(took))

    amplification, milliseconds, files = {}, {}, {}
    for _name, _chunks in layouts.items():
        _array = exzarr.create_array(work / f"{_name}.zarr", data=heights, chunks=_chunks)
        files[_name] = _array.nchunks
        for _read, _selection in reads.items():
            amplification[_name, _read] = _array.explain[_selection].amplification
            milliseconds[_name, _read] = median_ms(_array, _selection)

    _fig, _axes = style.new_figure(7.6, 3.4)
    for _k, _name in enumerate(layouts):
        _axes.bar(
            np.arange(len(reads)) + 0.2 * _k - 0.3,
            [amplification[_name, _read] for _read in reads],
            0.18,
            label=f"{_name} ({files[_name]} files)",
        )
    _axes.set_xticks(range(len(reads)), list(reads))
    _axes.set_yscale("log")
    _axes.set_ylabel("bytes decoded per byte wanted")
    _axes.legend(ncols=2, fontsize=8)
    style.title(_axes, "What a read costs is decided when chunks are chosen")
    show.check(
        "row chunks are best for rows, and column chunks worst",
        amplification["rows", "one row"]
        < amplification["squares", "one row"]
        < amplification["columns", "one row"],
    )
    show.check(
        "reading the whole array has amplification 1 in every layout",
        all(amplification[n, "all of it"] == 1 for n in layouts),
    )
    show.figure(
        "chunk-shapes",
        _fig,
        alt="Bars: one row is cheap to read from row chunks and expensive from column chunks, and the reverse for one column.",
    )
    return amplification, files, layouts, milliseconds, reads


@app.cell
def times_table(amplification, files, layouts, milliseconds, reads, show):
    for _name in layouts:
        _slug = _name.replace(" ", "_")
        show.results(**{f"files_{_slug}": files[_name]})
        for _read in reads:
            _key = f"{_slug}_{_read.replace(' ', '_')}"
            show.results(**{f"amp_{_key}": amplification[_name, _read]})
            show.measured(**{f"ms_{_key}": milliseconds[_name, _read]})
    show.table(
        {"chunks": _name, **{f"{_read}, ms": round(milliseconds[_name, _read], 2) for _read in reads}}
        for _name in layouts
    )
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    Conclusions:

    - **Size.** Chunks of 1 to 10 MB of memory suit local disks. Each tiny chunk costs a file and a system call: see
      the time for *all of it*. If you need small chunks and few files, use shards, which store many chunks in one
      file.
    - **Throughput or latency.** Large chunks increase throughput (fewer requests, better compression). Small chunks
      reduce the latency of small reads. `explain` gives you both numbers before a read.
    - **What to monitor.** Watch the bytes decoded per byte requested, the requests per read, and the chunks per
      second of a stream. `exzarr.profile()` reports them for any block of code, and `exzarr check` reports whether
      all chunks are valid.
    """)
    return


@app.cell
def monitor(exzarr, hills, shape, show):
    with exzarr.profile() as report:
        hills[shape[0] // 12 : shape[0] // 4, shape[1] // 16 : 3 * shape[1] // 16]
    show.check("the profile saw the four chunks", report.total("read").chunks == 4)
    print(report)
    return


if __name__ == "__main__":
    app.run()

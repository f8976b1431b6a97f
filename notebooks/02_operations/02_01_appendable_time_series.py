import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="Time series that grow")


@app.cell(hide_code=True)
def header(mo):
    mo.md(r"""
    # Time series that grow

    Let an array grow for years: measure the cost of an append, append from several processes, and read while the
    array grows.

    - **Goal.** Choose chunks for appending, let several processes append to one array, follow the array while it
      grows, keep several arrays consistent, and correct late or wrong data.
    - **Data.** Electricity meters of 48 homes, one reading per minute, generated from a seed
      (`exzarr.gallery.sensors`).
    - **Licence.** None is needed: nothing is downloaded.
    - **Run time.** About 8 s on two cores.
    - **Try next.** Move both sliders until the sawtooth has a single tooth. Add shards of a week to the array. Start
      ten gateways instead of four.
    """)
    return


@app.cell
def imports():
    import time

    import marimo as mo
    import numpy as np

    import exzarr
    from exzarr.gallery import show, style
    from exzarr.gallery.processes import Team
    from exzarr.gallery.sensors import DAY, Fleet
    from exzarr.gallery.workspace import Workspace, size
    from exzarr.stores import CountingStore, MemoryStore

    style.use()
    fleet = Fleet(meters=48, seed=7)
    return (
        CountingStore, DAY, Fleet, MemoryStore, Team, Workspace,
        exzarr, fleet, mo, np, show, size, style, time,
    )  # fmt: skip


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Start with an empty array

    The length of a measurement is often unknown, so the array begins with no rows. `append` adds rows at the end.
    First it stores the rows in chunks beyond the end, where no reader looks. Then it replaces the metadata document,
    which contains the length of the array. A reader sees all of an append or none of it, also after a crash.
    """)
    return


@app.cell
def grow(DAY, Workspace, exzarr, fleet, np, show, size):
    work = Workspace("series")
    days = size(14, full=365)

    power = exzarr.create_array(
        work / "power.zarr",
        shape=(0, fleet.meters),
        chunks=(DAY, fleet.meters),
        dtype="float32",
        fill_value=np.nan,
        dimension_names=("time", "meter"),
        attributes={"units": "kW"},
        overwrite=True,
    )
    for _day in range(days):
        power.append(fleet.readings(_day * DAY, (_day + 1) * DAY))

    everything = fleet.readings(0, days * DAY)
    show.check("the array contains all days", np.array_equal(power[...], everything, equal_nan=True))
    show.check("there is one file for each day, and the document", len(work.files("power.zarr")) == days + 1)
    show.results(days=days, rows=power.shape[0], meters=fleet.meters, day_kb=power.nbytes / days / 1e3)
    return days, everything, power, work


@app.cell
def a_week(DAY, everything, np, show, style):
    _week = everything[: 7 * DAY]
    _clock = np.arange(7 * DAY) / DAY
    _fig, _axes = style.new_figure(7.6, 3.0)
    _axes.plot(_clock, _week[:, 3], color=style.GREY, linewidth=0.6, label="one home")
    _axes.plot(_clock, np.nanmean(_week, axis=1), color=style.BLUE, label="mean of all homes")
    _axes.set(xlabel="day", ylabel="kW", xlim=(0, 7))
    _axes.legend(ncols=2, fontsize=8)
    style.title(_axes, "A week of the fleet", "days 5 and 6 are a weekend")
    show.figure("week", _fig, alt="Power over seven days: a peak each morning and one each evening.")
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## What an append costs

    Above, an append was a day and a chunk was a day. Real gateways send their data every minute or every quarter of
    an hour. Then the last chunk is only partly full. Each append has to read it, insert the new rows, and write *the
    whole chunk* again. Move the sliders: each dot is one append of a day, and its height is the number of bytes that
    it wrote.
    """)
    return


@app.cell
def append_costs(CountingStore, DAY, MemoryStore, exzarr, fleet, np):
    def append_cost(rows_in_chunk, rows_in_append, *, shards=None, compressors="auto"):
        """Append a day; return the bytes written and the requests of each append, and the bytes of the day."""
        store = CountingStore(MemoryStore())
        array = exzarr.create_array(
            store,
            shape=(0, fleet.meters),
            chunks=(rows_in_chunk, fleet.meters),
            shards=None if shards is None else (shards, fleet.meters),
            dtype="float32",
            fill_value=np.nan,
            compressors=compressors,
        )
        day, puts, requests = fleet.readings(0, DAY), [], []
        for row in range(0, DAY, rows_in_append):
            store.reset()
            array.append(day[row : row + rows_in_append])
            puts.append(store.bytes_written)
            requests.append(store.total)
        return np.array(puts), np.array(requests), day.nbytes

    return (append_cost,)


@app.cell
def sliders(mo):
    chunk_minutes = mo.ui.slider(steps=[60, 180, 360, 720, 1440], value=360, label="minutes in a chunk")
    append_minutes = mo.ui.slider(steps=[5, 15, 30, 60, 180], value=15, label="minutes in an append")
    mo.hstack([chunk_minutes, append_minutes], justify="start")
    return append_minutes, chunk_minutes


@app.cell
def sawtooth(DAY, append_cost, append_minutes, chunk_minutes, np, show, style):
    _puts, _, _ = append_cost(chunk_minutes.value, append_minutes.value)
    _whole, _, _ = append_cost(chunk_minutes.value, chunk_minutes.value)
    _hours = np.arange(0, DAY, append_minutes.value) / 60
    _fig, _axes = style.new_figure(7.6, 3.0)
    _axes.plot(_hours, _puts / 1e3, color=style.BLUE, linewidth=1, marker="o", markersize=3)
    _axes.set(
        xlabel="time of the append, hours", ylabel="kB written", xlim=(0, 24), ylim=(0, None),
        xticks=range(0, 25, 3),
    )  # fmt: skip
    style.title(
        _axes,
        f"A day written {_puts.sum() / _whole.sum():.1f} times over",
        f"{append_minutes.value} min at a time into chunks of {chunk_minutes.value} min",
    )
    show.check("short appends never write less than whole chunks", _puts.sum() >= _whole.sum())
    show.measured(sawtooth_times=_puts.sum() / _whole.sum(), sawtooth_most_kb=_puts.max() / 1e3)
    show.figure(
        "sawtooth",
        _fig,
        alt="Bytes that each append writes: they rise while a chunk fills, and fall when the next chunk begins.",
    )
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    The result is a sawtooth: a fuller chunk means that more bytes are written again for the same few rows. If chunks
    of `c` rows are not compressed, each append of `n` rows writes the whole chunk, which is `c / n` bytes for each
    new byte. Compression saves about half of this, because the missing rows contain the fill value and compress to
    almost nothing. The relation stays the same. The next cell measures it without compression, for all requests of
    appending a day:
    """)
    return


@app.cell
def amplification(append_cost, np, show, style):
    _sizes, _chunks = (15, 60, 360, 1440), (60, 360, 1440)
    _fig, _axes = style.new_figure(7.6, 3.2, grid="both")
    _factors, _model = {}, {}
    for _c in _chunks:
        for _n in _sizes:
            _puts, _requests, _bytes = append_cost(_c, _n, compressors=None)
            _factors[_c, _n], _model[_c, _n] = _puts.sum() / _bytes, max(1.0, _c / _n)
            show.results(**{f"factor_{_c}_{_n}": _factors[_c, _n], f"requests_{_c}_{_n}": _requests.sum()})
        _axes.plot(_sizes, [_factors[_c, _n] for _n in _sizes], marker="o", label=f"chunks of {_c} min")
    for _c in _chunks:
        _axes.plot(_sizes, [_model[_c, _n] for _n in _sizes], color=style.INK, linewidth=1.2, linestyle=":")
    _axes.set(xscale="log", yscale="log", xlabel="minutes in an append", ylabel="bytes written / appended")
    _axes.set_xticks(_sizes, _sizes)
    _axes.set_yticks([1, 10, 100], ["1", "10", "100"])
    _axes.minorticks_off()
    _axes.legend(fontsize=8)
    style.title(_axes, "Chunks that are longer than an append are written again", "dotted: c / n")
    show.check(
        "the measured factor is c / n, plus at most 5 % for the document",
        np.allclose(list(_factors.values()), list(_model.values()), rtol=0.05),
    )
    show.figure(
        "amplification",
        _fig,
        alt="Bytes written for each byte appended fall with the length of an append, to one at a chunk's length.",
    )
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## What a read costs

    Should chunks then be as short as an append? Consider three readers. The control room needs the last hour of all
    homes, the planner needs a day of all homes, and a customer needs all data of one home. The next cell compares
    five layouts, with appends of a quarter of an hour:
    """)
    return


@app.cell
def layouts(DAY, append_cost, everything, exzarr, np, show, style, work):
    _n = everything.shape[0]
    _reads = {
        "last hour": (slice(_n - 60, _n), slice(None)),
        "a day": (slice(_n - 2 * DAY, _n - DAY), slice(None)),
        "one home": (slice(None), 11),
    }
    _layouts = {
        "quarter": (15, None),
        "hour": (60, None),
        "day": (DAY, None),
        "hours in shards of a day": (60, DAY),
        "quarters in shards of an hour": (15, 60),
    }
    _fig, _all = style.new_figure(7.6, 3.0, columns=3, sharey=True)
    for _k, (_name, (_c, _shard)) in enumerate(_layouts.items()):
        _array = exzarr.create_array(
            work / "layout.zarr", data=everything, chunks=(_c, everything.shape[1]),
            shards=None if _shard is None else (_shard, everything.shape[1]), overwrite=True,
            fill_value=np.nan,
        )  # fmt: skip
        _puts, _, _bytes = append_cost(_c, 15, shards=_shard, compressors=None)
        _plans = {_read: _array.explain[_where] for _read, _where in _reads.items()}
        _files = len(work.files("layout.zarr/c"))
        _row = (_puts.sum() / _bytes, _plans["last hour"].amplification, _files)
        for _axes, _value, _title in zip(
            _all, _row, ("written / appended", "decoded / wanted, last hour", "files to open, one home"),
            strict=True,
        ):  # fmt: skip
            _axes.barh(_k, _value, color=style.COLOURS[_k], height=0.7)
            _axes.text(_value, _k, f" {_value:,.0f}" if _value >= 10 else f" {_value:.1f}", va="center")
            _axes.set_title(_title, fontsize=8.5, fontweight="normal")
        _slug = _name.replace(" ", "_")
        show.results(**{f"write_{_slug}": _row[0], f"hour_{_slug}": _row[1], f"files_{_slug}": _files})
    for _axes in _all:
        _axes.set_xscale("log")
        _axes.set_xlim(0.7, _axes.get_xlim()[1] * 4)
        _axes.grid(visible=False)
        _axes.tick_params(axis="x", labelbottom=False, length=0, which="both")
        _axes.spines["bottom"].set_visible(False)
    _all[0].set_yticks(range(len(_layouts)), list(_layouts))
    _all[0].invert_yaxis()
    show.check(
        "the layouts contain the same values",
        np.array_equal(_array[_reads["a day"]], everything[_reads["a day"]], True),
    )
    show.figure(
        "layouts",
        _fig,
        alt="Bars for five layouts: short chunks are cheap to append to, and produce many files.",
    )
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    Short chunks are cheap to append to, and their end is cheap to read. But they produce many files, which makes long
    reads slow. A *shard* is one file with many chunks. It is the unit of writing, so an append to a long shard costs
    as much as an append to a long chunk. Two methods work. **Collect**: let the gateway keep a quarter of an hour or
    an hour of rows before it appends. **Write twice**: append to an array with short chunks. Once a day, copy the
    finished days to an array with long chunks (`exzarr copy --chunks`), which serves the long reads.

    ## Append from several processes

    Four gateways, each a separate process, append to one log. A row contains gateway, minute and watts. All start at
    the same moment, and they do not communicate. Meanwhile this notebook reads the log.
    """)
    return


@app.cell
def gateways(Team, exzarr, np, show, size, time, work):
    GATEWAY = """
    import sys, numpy as np, exzarr
    from exzarr.gallery.sensors import Fleet

    path, gateway, batches, rows = sys.argv[1], *map(int, sys.argv[2:])
    watts = np.rint(1000 * Fleet(4, seed=7, missing=0).readings(0, batches * rows)[:, gateway])
    log = exzarr.open_array(path, mode="r+")
    print("ready", flush=True); input()
    for minute in range(0, batches * rows, rows):
        minutes = np.arange(minute, minute + rows)
        log.append(np.stack([np.full(rows, gateway), minutes, watts[minutes]], axis=1).astype("i4"))
    """
    gateway_count, batches, batch_rows = 4, size(60, full=600), 5
    _arguments = [
        [str(work / "log.zarr"), str(_g), str(batches), str(batch_rows)] for _g in range(gateway_count)
    ]

    log = exzarr.create_array(
        work / "log.zarr", shape=(0, 3), chunks=(600, 3), dtype="int32", overwrite=True,
        dimension_names=("row", "field"),
    )  # fmt: skip
    reader = exzarr.open_array(work / "log.zarr", mode="r")
    views = []
    with Team(GATEWAY, _arguments) as _team:
        _team.go()
        _began = time.monotonic()
        while _running := True:
            _running = _team.running()  # check before reading, so that the last read sees all rows
            reader.refresh()
            if not views or views[-1][1] < reader.shape[0]:
                views.append((time.monotonic() - _began, reader.shape[0], reader[...]))
            if not _running:
                break
            time.sleep(0.001)
        show.check("all gateways exited with status 0", _team.statuses() == [0] * gateway_count)
    log.refresh()
    show.results(gateways=gateway_count, appends=gateway_count * batches, log_rows=log.shape[0])
    show.measured(
        gateway_ms=1e3 * views[-1][0],
        views=len(views),
        append_ms=1e3 * views[-1][0] / (gateway_count * batches),
    )
    return GATEWAY, batch_rows, batches, gateway_count, log, views


@app.cell
def gateways_are_right(Fleet, batch_rows, batches, gateway_count, log, np, show, style, views):
    _watts = np.rint(1000 * Fleet(4, seed=7, missing=0).readings(0, batches * batch_rows))
    _rows = log[...]
    _each_once = len(np.unique(_rows[:, :2], axis=0)) == len(_rows) == gateway_count * batches * batch_rows
    show.check("the log contains each row of each gateway exactly once", _each_once)
    show.check(
        "each row has the correct value", np.array_equal(_watts[_rows[:, 1], _rows[:, 0]], _rows[:, 2])
    )
    show.check("the reader never saw part of an append", all(n % batch_rows == 0 for _, n, _ in views))
    _in_order = [
        np.array_equal(_seen[_seen[:, 0] == _g, 1], np.arange((_seen[:, 0] == _g).sum()))
        for _, _, _seen in views
        for _g in range(gateway_count)
    ]
    show.check("the reader never saw a gap in the rows of a gateway", all(_in_order))

    _counts = np.array([np.bincount(_seen[:, 0], minlength=gateway_count) for _, _, _seen in views])
    _fig, _axes = style.new_figure(7.6, 3.2)
    _axes.stackplot(
        [1e3 * t for t, _, _ in views], _counts.T, step="post", alpha=0.85, linewidth=0,
        colors=style.COLOURS[:gateway_count], labels=[f"gateway {g}" for g in range(gateway_count)],
    )  # fmt: skip
    _axes.set(xlabel="ms since the gateways were let go", ylabel="rows", xlim=(0, None))
    _axes.legend(loc="upper left", fontsize=8)
    style.title(_axes, "What the reader saw", "each step is one look at the array")
    show.figure(
        "gateways",
        _fig,
        alt="Rows of four gateways over time, as a reader saw them: they grow in steps, all four concurrently.",
    )
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    The appends run one at a time: each holds the lock of the array, and the kernel releases the lock if its holder
    dies. Not every library guarantees that no row is lost. The next cell does the same with zarr-python's `append`,
    which takes no lock, in a separate folder:
    """)
    return


@app.cell
def without_locks(GATEWAY, Team, batch_rows, batches, gateway_count, np, show, work):
    import zarr as _zarr

    _program = GATEWAY.replace("import sys,", "import zarr, sys,").replace(
        "exzarr.open_array", "zarr.open_array"
    )
    _arguments = [
        [str(work / "theirs.zarr"), str(_g), str(batches), str(batch_rows)] for _g in range(gateway_count)
    ]
    _zarr.create_array(work / "theirs.zarr", shape=(0, 3), chunks=(600, 3), dtype="int32", overwrite=True)
    with Team(_program, _arguments) as _team:
        _team.go()
        _statuses = _team.statuses()
    _rows = _zarr.open_array(work / "theirs.zarr", mode="r")[...]
    _kept = len(np.unique(_rows[_rows[:, 2] > 0, :2], axis=0))
    show.measured(
        unlocked_given=gateway_count * batches * batch_rows, unlocked_kept=_kept,
        unlocked_failed=sum(status != 0 for status in _statuses),
    )  # fmt: skip
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Arrays that grow together

    A series has a time axis and values. These are two arrays and two appends. What happens if a reader reads between
    them, or if the power fails? `exzarr.ingest` commits blocks of several arrays of a group in one step and stores
    the position of the source. Run again after a crash, it resumes at the right block. Run again without new data, it
    does nothing.
    """)
    return


@app.cell
def in_step(DAY, exzarr, fleet, np, show, work):
    cube = exzarr.create_group(work / "cube.zarr", overwrite=True)
    cube.create_array(
        "time", shape=(0,), chunks=(DAY,), dtype="int64", dimension_names=("time",),
        attributes={"units": "minutes since 2026-01-05", "calendar": "proleptic_gregorian"},
    )  # fmt: skip
    cube.create_array(
        "power", shape=(0, fleet.meters), chunks=(DAY // 4, fleet.meters), dtype="float32",
        fill_value=np.nan, dimension_names=("time", "meter"), attributes={"units": "kW"},
    )  # fmt: skip

    def quarters_of_days(until):
        for start in range(0, until, DAY // 4):
            minutes = np.arange(start, start + DAY // 4)
            yield {"time": minutes, "power": fleet.readings(start, start + DAY // 4)}

    first = exzarr.ingest(cube, quarters_of_days(2 * DAY), key="meters", axis="time")
    again = exzarr.ingest(cube, quarters_of_days(3 * DAY), key="meters", axis="time")
    cube = exzarr.open_group(work / "cube.zarr")
    show.check("the second run stored only the new blocks", (again.already, again.blocks) == (8, 4))
    show.check("both arrays have the same length", cube["time"].shape[0] == cube["power"].shape[0] == 3 * DAY)
    show.results(first_blocks=first.blocks, again_already=again.already, again_blocks=again.blocks)
    return (cube,)


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Late, wrong or missing data

    Meters lose their connection and send their readings hours later. You write late readings to their region, like
    any other data. If the data of a day are wrong, shorten the array with `resize` and append the day again. If a
    dashboard needs rows up to midnight, make the array longer. Missing rows read as the fill value.
    """)
    return


@app.cell
def corrections(DAY, days, everything, exzarr, np, power, show, work):
    exzarr.copy(power, work / "corrected.zarr", overwrite=True)
    late = exzarr.open_array(work / "corrected.zarr", mode="r+")
    late.resize(((days - 1) * DAY, late.shape[1]))
    late.resize((days * DAY, late.shape[1]))
    show.check("after shrinking and growing, the rows contain the fill value", np.isnan(late[-DAY:]).all())

    _hours, _meters = slice((days - 1) * DAY + 120, (days - 1) * DAY + 300), slice(5, 8)
    late[_hours, _meters] = everything[_hours, _meters]
    show.check(
        "late readings are stored in their region",
        np.array_equal(late[_hours, _meters], everything[_hours, _meters], True),
    )
    show.check(
        "no other element of the day has a value",
        np.isfinite(late[-DAY:]).sum() == np.isfinite(everything[_hours, _meters]).sum(),
    )

    late.resize(((days - 1) * DAY, late.shape[1]))
    late.append(everything[-DAY:])
    show.check(
        "the day that was sent again is complete", np.array_equal(late[...], everything, equal_nan=True)
    )
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Interoperability: xarray, pandas, zarr-python

    xarray finds the dimension names and the units of time, so you get hourly means with one call. zarr-python, as the
    only writer (it takes no lock), appends to an array that exzarr created, and exzarr sees the new rows.
    """)
    return


@app.cell
def interoperability(DAY, cube, exzarr, fleet, np, show, work):
    import xarray
    import zarr

    with xarray.open_zarr(work / "cube.zarr") as _data:
        hourly = _data.power.resample(time="1h").mean().to_numpy()
        _index = _data.indexes["time"]
    _expected = np.nanmean(fleet.readings(0, 3 * DAY).reshape(72, 60, fleet.meters), axis=1)
    show.check("xarray's hourly means equal NumPy's", np.allclose(hourly, _expected, rtol=1e-5))
    show.check(
        "pandas decodes the minutes", str(_index[0]) == "2026-01-05 00:00:00" and len(_index) == 3 * DAY
    )

    exzarr.save(work / "pair.zarr", fleet.readings(0, DAY))
    _ours = exzarr.open_array(work / "pair.zarr")
    zarr.open_array(work / "pair.zarr", mode="r+").append(fleet.readings(DAY, 2 * DAY))
    show.check(
        "exzarr reads the rows that zarr-python appended",
        np.array_equal(_ours.refresh()[...], fleet.readings(0, 2 * DAY), equal_nan=True),
    )
    show.check("the group contains all rows", cube["power"].shape == (3 * DAY, fleet.meters))
    show.results(hours=hourly.shape[0])
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Performance and operations

    How many rows per second can you append, and how long does one append take? More rows per append improve the
    throughput and increase the latency, until an append fills its chunk. The next cell appends into a folder, with
    chunks of a day:
    """)
    return


@app.cell
def throughput(DAY, exzarr, fleet, np, show, style, time, work):
    _sizes = (1, 15, 60, 360, 1440)
    _day, _rate, _each = fleet.readings(0, DAY), {}, {}
    for _n in _sizes:
        _array = exzarr.create_array(
            work / "speed.zarr", shape=(0, fleet.meters), chunks=(DAY, fleet.meters), dtype="float32",
            fill_value=np.nan, overwrite=True,
        )  # fmt: skip
        _took, _first = [], max(0, DAY // 2 - 20 * _n)
        _array.append(_day[:_first])
        for _row in range(_first, min(DAY, _first + 40 * _n), _n):
            _started = time.perf_counter()
            _array.append(_day[_row : _row + _n])
            _took.append(time.perf_counter() - _started)
        _rate[_n], _each[_n] = _n * len(_took) / sum(_took), 1e3 * float(np.median(_took))
        show.measured(**{f"rate_{_n}": _rate[_n], f"ms_{_n}": _each[_n]})
    _fig, (_left, _right) = style.new_figure(7.6, 2.9, columns=2, grid="both")
    _left.plot(_sizes, [_rate[_n] for _n in _sizes], marker="o", color=style.BLUE)
    _right.plot(_sizes, [_each[_n] for _n in _sizes], marker="o", color=style.ORANGE)
    _left.set(xscale="log", yscale="log", xlabel="rows in an append", ylabel="rows a second")
    _left.set_yticks([1e3, 1e4, 1e5, 1e6], ["1,000", "10,000", "100,000", "1,000,000"])
    _right.set(xscale="log", ylim=(0, None), xlabel="rows in an append", ylabel="ms for an append")
    for _axes in (_left, _right):
        _axes.minorticks_off()
        _axes.set_xticks(_sizes, _sizes)
    style.title(_left, "Throughput")
    style.title(_right, "Latency")
    show.figure(
        "throughput",
        _fig,
        alt="Rows per second grow nearly in proportion to the rows of an append; the time of one append hardly changes.",
    )
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    Conclusions:

    - **Chunk sizing.** Along time, a chunk (with shards, the shard) should have the length of one append, or a small
      multiple of it. Across the meters, use all meters that you read together. If this makes the files too small,
      collect more rows before you append. If reads are long, copy finished data to long chunks.
    - **Throughput or latency.** A row waits in the gateway until `n` rows have arrived. That wait is the latency that
      matters, and not the milliseconds of the append.
    - **What to monitor.** Watch the delay (the present time minus the time of the last row). Watch the requests and
      bytes written for each append (below). Watch the wait for the array's lock and the number of files in the
      folder. `exzarr check` finds damaged chunks, and `exzarr.ingest_position` returns the position of each source.
    """)
    return


@app.cell
def monitor(cube, exzarr, fleet, DAY, np, show, work):
    _array = exzarr.open_array(work / "pair.zarr", mode="r+")
    with exzarr.profile() as report:
        _array.append(fleet.readings(2 * DAY, 2 * DAY + 60))
    _kinds = {kind: _use.requests for (_, kind), _use in report.requests.items()}
    show.check(
        "the last rows equal the appended hour",
        np.array_equal(_array[-60:], fleet.readings(2 * DAY, 2 * DAY + 60), True),
    )
    show.check(
        "ingest_position returns the number of stored blocks", exzarr.ingest_position(cube, "meters") == 12
    )
    show.results(append_puts=_kinds.get("put", 0), append_gets=_kinds.get("get", 0))
    print(report)
    return


if __name__ == "__main__":
    app.run()

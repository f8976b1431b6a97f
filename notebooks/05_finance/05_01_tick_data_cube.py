import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="A cube of ticks")


@app.cell(hide_code=True)
def header(mo):
    mo.md(r"""
    # A cube of ticks

    Store every second of a market as one array, time × symbol × field, and make bars of any length from it in
    parallel, also across chunk borders.

    - **Goal.** Lay out a tick cube, write it session by session, make OHLC and VWAP bars with `parallel_chunk_map`,
      and know which chunks suit which question.
    - **Data.** Three sessions of 12 symbols, second by second, generated from a seed (`exzarr.gallery.tick_data`):
      prices that walk at random, a daily pattern, seconds without a trade, halts.
    - **Licence.** None is needed: nothing is downloaded.
    - **Run time.** About 8 s on two cores.
    - **Try next.** Store prices as integer cents and compare the size. Make bars by traded volume instead of by time.
    """)
    return


@app.cell
def imports():
    import time

    import marimo as mo
    import numpy as np
    import pandas as pd

    import exzarr
    from exzarr.gallery import show, style
    from exzarr.gallery.tick_data import FIELDS, SECONDS, Market, session_times
    from exzarr.gallery.ticks import bars
    from exzarr.gallery.workspace import Workspace, size

    style.use()
    return (
        FIELDS,
        Market,
        SECONDS,
        Workspace,
        bars,
        exzarr,
        mo,
        np,
        pd,
        session_times,
        show,
        size,
        style,
        time,
    )


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## The cube

    The cube has one row for each second of each session and one column for each symbol. The four fields are the last
    price, the volume, bid and ask. In a second without a trade, price and volume are NaN. NaN is also the fill value
    of the array, so a chunk without any trade takes no space.

    The meaning of the rows and columns is stored next to the cube, in separate arrays with the names of its
    dimensions. By this convention, xarray finds coordinates.
    """)
    return


@app.cell
def create(FIELDS, Market, SECONDS, Workspace, exzarr, np, session_times, show, size):
    symbols, sessions = size((12, 3), full=(60, 20))
    moments = session_times("2024-03-07", sessions)
    names = np.array([f"{chr(65 + i // 26)}{chr(65 + i % 26)}X" for i in range(symbols)])
    market = Market(symbols, seed=42)

    work = Workspace("ticks")
    root = exzarr.create_group(work / "market.zarr", overwrite=True)
    cube = root.create_array(
        "ticks",
        shape=(len(moments), symbols, len(FIELDS)),
        chunks=(SECONDS // 3, 4, len(FIELDS)),
        dtype="float64",
        fill_value=np.nan,
        dimension_names=("time", "symbol", "field"),
    )
    for _name, _values, _attributes in (
        ("time", moments.astype("i8"), {"units": "seconds since 1970-01-01", "calendar": "standard"}),
        ("symbol", names.astype("T"), {}),
        ("field", np.array(FIELDS).astype("T"), {}),
    ):
        root.create_array(_name, data=_values, dimension_names=(_name,), attributes=_attributes)

    def blocks():
        for number, block in enumerate(market.sessions(sessions)):
            yield (slice(number * SECONDS, (number + 1) * SECONDS), slice(None), slice(None)), block

    report = cube.write_stream(blocks(), workers=2, max_pending=2)
    exzarr.consolidate_metadata(root)

    ticks = np.concatenate([*market.sessions(sessions)])
    show.check("write_stream wrote each session", (report.written, len(report.failed)) == (sessions, 0))
    show.check("the stored ticks equal the generated ticks", np.array_equal(cube[...], ticks, equal_nan=True))
    _traded = ~np.isnan(ticks[:, :, 0])
    show.measured(stored_mb=work.bytes_on_disk("market.zarr/ticks") / 1e6)
    show.results(
        rows=len(moments),
        symbols=symbols,
        sessions=sessions,
        chunks=cube.nchunks,
        chunk_mb=np.prod(cube.chunks) * 8 / 1e6,
        cube_mb=cube.nbytes / 1e6,
        trades=int(_traded.sum()),
        first_traded_percent=100 * float(_traded[:, 0].mean()),
        last_traded_percent=100 * float(_traded[:, -1].mean()),
    )
    return cube, moments, names, root, sessions, ticks, work


@app.cell
def look(SECONDS, cube, moments, names, np, show, style):
    _few = [0, len(names) // 2, len(names) - 1]
    _hour = slice(SECONDS - 3600, SECONDS)
    _price = cube[_hour, :, 0][:, _few]
    _fig, (_left, _right) = style.new_figure(7.6, 3.0, columns=2)
    for _k, _symbol in enumerate(_few):
        _left.plot(
            np.arange(3600) / 60 - 60, 100 * (_price[:, _k] / np.nanmean(_price[:, _k]) - 1) + _k,
            ".", markersize=1.5, label=names[_symbol],
        )  # fmt: skip
    _left.set_xlabel("minutes before the close")
    _left.set_yticks([])
    _left.legend(fontsize=8, markerscale=6, ncols=3)
    style.title(_left, "One hour of three symbols")

    _volume = np.zeros(SECONDS)
    for _chunk in cube.chunk_stream(workers=2):
        _rows = np.arange(_chunk.region[0].start, _chunk.region[0].stop) % SECONDS
        np.add.at(_volume, _rows, np.nansum(_chunk.data[:, :, 1], axis=1))
    _right.bar(np.arange(39) * 10, _volume.reshape(39, 600).sum(axis=1) / 1e6, 9, color=style.TEAL)
    _right.set_xlabel("minutes after the open")
    style.title(_right, "A day's rhythm", "millions traded in 10 minutes")
    show.check(
        "every session has the same times of day", len(np.unique(moments.astype("i8") % 86_400)) == SECONDS
    )
    show.check(
        "the volume at the open is higher than at noon",
        _volume[:1800].sum() > 1.3 * _volume[10_800:12_600].sum(),
    )
    show.figure(
        "ticks", _fig, alt="Prices of three symbols with gaps; and volume, high at the open and the close."
    )
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Bars, chunk by chunk

    A *bar* summarises a period of time: the first, highest, lowest and last price (open, high, low, close), the
    traded volume, and the average price weighted by volume (VWAP). A chunk of this cube contains 130 minutes of four
    symbols. A bar of one minute never crosses a chunk border, so you can process each chunk separately:
    """)
    return


@app.cell
def minute_bars(cube, np, pd, show, ticks):
    def of_one_minute(chunk):
        data = chunk.data.reshape(-1, 60, *chunk.data.shape[1:])  # minute, second, symbol, field
        price, volume = data[..., 0], data[..., 1]
        with np.errstate(invalid="ignore"):
            vwap = np.nansum(price * volume, axis=1) / np.nansum(volume, axis=1)
        return chunk.region, np.fmax.reduce(price, axis=1), vwap

    high = np.empty((cube.shape[0] // 60, cube.shape[1]))
    vwap = np.empty_like(high)
    for _region, _high, _vwap in cube.parallel_chunk_map(of_one_minute, with_chunk=True, workers=2):
        _minutes = slice(_region[0].start // 60, _region[0].stop // 60)
        high[_minutes, _region[1]], vwap[_minutes, _region[1]] = _high, _vwap

    _minute = np.arange(len(ticks)) // 60
    _price, _volume = pd.DataFrame(ticks[:, :, 0]), pd.DataFrame(ticks[:, :, 1])
    _money = (_price * _volume).groupby(_minute).sum() / _volume.groupby(_minute).sum()
    show.check(
        "the highs equal those of pandas", np.array_equal(high, _price.groupby(_minute).max(), equal_nan=True)
    )
    show.check("the VWAPs equal those of pandas", np.allclose(vwap, _money, rtol=1e-12, equal_nan=True))
    show.results(minute_bars=high.size)
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Bars across chunk borders

    Seven minutes do not divide 130. If you map over chunks as above, you get two half bars at each border, and no
    error. With `exzarr.gallery.ticks.bars`, each chunk reports what it adds to which bar, and `bars` merges the
    reports. The high is the larger of two highs. The open comes from the earlier chunk, unless that chunk had no
    trade. The VWAP is money divided by volume, and both add up. Such a merge is *associative*, and a parallel
    computation needs nothing else.
    """)
    return


@app.cell
def across_borders(SECONDS, bars, cube, moments, np, pd, sessions, show, ticks):
    seven = np.timedelta64(7, "m")
    made = bars(cube, moments, seven, workers=2)

    def by_pandas(symbol, length):
        index = pd.DatetimeIndex(moments)
        price, volume = pd.Series(ticks[:, symbol, 0], index), pd.Series(ticks[:, symbol, 1], index)
        every = pd.Timedelta(length)
        expected = price.resample(every).agg(["first", "max", "min", "last", "count"])
        expected["volume"] = volume.resample(every).sum()
        expected["vwap"] = (price * volume).resample(every).sum() / expected["volume"]
        return expected[pd.Series(1, index).resample(every).sum() > 0]  # no bars for nights

    def agrees(made, symbol, length):
        expected = by_pandas(symbol, length)
        return (
            np.array_equal(made.time, expected.index.to_numpy().astype("M8[s]"))
            and all(
                np.array_equal(getattr(made, ours)[:, symbol], expected[theirs], equal_nan=True)
                for ours, theirs in (("open", "first"), ("high", "max"), ("low", "min"), ("close", "last"))
            )
            and np.array_equal(made.trades[:, symbol], expected["count"])
            and np.allclose(made.vwap[:, symbol], expected["vwap"], rtol=1e-12, equal_nan=True)
        )

    show.check(
        "all bars of all symbols equal those of pandas",
        all(agrees(made, i, seven) for i in range(cube.shape[1])),
    )
    _borders = moments[np.arange(1, 3 * sessions) * (SECONDS // 3)]
    _cut = np.isin(_borders, made.time, invert=True)
    _inside = np.arange(1, 3 * sessions) % 3 != 0
    show.results(
        seven_bars=made.open.size, borders_inside=int(_inside.sum()), bars_cut=int((_cut & _inside).sum())
    )
    return (agrees,)


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    Now choose any length. Each move of the slider computes the bars from the ticks, for one symbol. exzarr reads only
    the chunks that contain this symbol.
    """)
    return


@app.cell
def controls(mo, names):
    length = mo.ui.slider(
        steps=[15, 30, 60, 97, 180, 300, 420, 600, 900, 1800, 3600, 7200], value=420, label="seconds in a bar"
    )
    symbol = mo.ui.dropdown([str(name) for name in names[:6]], value=str(names[0]), label="symbol")
    mo.hstack([length, symbol], justify="start")
    return length, symbol


@app.cell
def candles(agrees, bars, cube, length, moments, names, np, show, style, symbol):
    _column = int(np.flatnonzero(names == symbol.value)[0])
    _length = np.timedelta64(length.value, "s")
    _one = bars(cube, moments, _length, symbols=slice(_column, _column + 1), workers=2)
    _all = bars(cube, moments, _length, workers=2)
    show.check("the bars of this length equal those of pandas", agrees(_all, _column, _length))
    show.check(
        "the bars of one symbol alone are the same",
        np.array_equal(_one.vwap[:, 0], _all.vwap[:, _column], equal_nan=True),
    )

    _day = _one.time < moments[0].astype("M8[D]") + 1
    _hours = (_one.time[_day] - moments[0].astype("M8[D]")).astype(float) / 3600
    _open, _close, _high, _low = (getattr(_one, n)[_day, 0] for n in ("open", "close", "high", "low"))
    _fig, (_top, _bottom) = style.new_figure(7.6, 4.2, rows=2, sharex=True, height_ratios=(3, 1))
    _width = 0.7 * length.value / 3600
    for _rise, _colour in ((True, style.TEAL), (False, style.RED)):
        _which = (_close >= _open) == _rise
        _at = _hours[_which] + length.value / 7200
        _top.vlines(_at, _low[_which], _high[_which], color=_colour, linewidth=0.8)
        _top.bar(_at, (_close - _open)[_which], _width, bottom=_open[_which], color=_colour)
        _bottom.bar(_at, _one.volume[_day, 0][_which] / 1e3, _width, color=_colour)
    _top.plot(_hours + length.value / 7200, _one.vwap[_day, 0], color=style.ORANGE, linewidth=1, label="VWAP")
    _top.set_ylim(np.nanmin(_low) * 0.999, np.nanmax(_high) * 1.001)
    _top.legend()
    _bottom.set_xlabel("hour of the first session")
    _bottom.set_ylabel("thousands")
    style.title(_top, f"{symbol.value}: {_day.sum()} bars of {length.value} s")
    _plan = cube.explain[:, _column : _column + 1]
    show.results(bar_seconds=length.value, day_bars=int(_day.sum()), symbol_chunks=_plan.chunks)
    show.figure(
        "candles", _fig, alt="Candlesticks of one session with the volume-weighted price, and volume below."
    )
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## One symbol, or all symbols

    A backtest needs one symbol for all time. A risk report needs all symbols at one moment. Reading is cheap along
    the dimension in which a chunk is long. The next cell compares four layouts of the same cube with four reads.
    `explain` counts without reading.
    """)
    return


@app.cell
def layouts(SECONDS, cube, exzarr, moments, np, show, style, ticks, time, work):
    _n, _fields = cube.shape[1:]
    cubes = {}
    for _name, _chunks, _shards in (
        ("moments", (600, _n, _fields), None),
        ("symbols", (SECONDS, 1, _fields), None),
        ("blocks", (SECONDS // 3, 4, _fields), None),
        ("shards", (1950, 1, _fields), (SECONDS, _n, _fields)),
    ):
        cubes[_name] = exzarr.create_array(
            work / f"{_name}.zarr",
            data=ticks,
            chunks=_chunks,
            shards=_shards,
            fill_value=np.nan,
            overwrite=True,
        )
    reads = {
        "a symbol, all time": (slice(None), 3),
        "all symbols, a minute": (slice(40_000, 40_060),),
        "a symbol, an hour": (slice(30_000, 33_600), 3),
        "everything": (slice(None),),
    }

    plans, milliseconds = {}, {}
    for _name, _cube in cubes.items():
        for _read, _selection in reads.items():
            plans[_name, _read] = _cube.explain[_selection]
            _took = []
            for _ in range(5):
                _began = time.perf_counter()
                _values = _cube[_selection]
                _took.append(time.perf_counter() - _began)
            milliseconds[_name, _read] = 1e3 * float(np.median(_took))
            if not np.array_equal(_values, ticks[_selection], equal_nan=True):
                raise AssertionError(f"{_name}: {_read} differs from the ticks that were written")

    _fig, _axes = style.new_figure(7.6, 3.2)
    for _k, _name in enumerate(cubes):
        _axes.bar(np.arange(3) + 0.2 * _k - 0.3, [plans[_name, r].amplification for r in [*reads][:3]], 0.18, label=_name)  # fmt: skip
    _axes.set_xticks(range(3), [*reads][:3])
    _axes.set_yscale("log")
    _axes.set_ylabel("bytes decoded per byte wanted")
    _axes.set_ylim(top=2500)
    _axes.legend(fontsize=8, ncols=4, loc="upper left")
    style.title(_axes, "Chunks along time are cheap for a symbol, and dear for a moment")
    _a = {key: plan.amplification for key, plan in plans.items()}
    show.check(
        "each layout is best for the reads that it was made for",
        _a["symbols", "a symbol, all time"]
        < _a["blocks", "a symbol, all time"]
        < _a["moments", "a symbol, all time"]
        and _a["moments", "all symbols, a minute"] < _a["symbols", "all symbols, a minute"],
    )
    show.figure(
        "layouts",
        _fig,
        alt="Bars: no layout is best for all reads; small chunks in shards are good for each.",
    )
    return cubes, milliseconds, plans, reads


@app.cell
def layout_table(cubes, milliseconds, plans, reads, show, work):
    for _name in cubes:
        show.results(**{f"files_{_name}": len(work.files(f"{_name}.zarr/c"))})
        for _read in reads:
            _slug = f"{_name}_{_read.replace(',', '').replace(' ', '_')}"
            show.results(**{f"amp_{_slug}": plans[_name, _read].amplification})
            show.measured(**{f"ms_{_slug}": milliseconds[_name, _read]})
    show.table(
        [{"chunks by": _name, **{r: f"{milliseconds[_name, r]:.1f} ms" for r in reads}} for _name in cubes]
    )
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Interoperability: pandas and xarray

    xarray opens the group through its consolidated metadata, finds the coordinates by their names, decodes the times,
    and selects by label. Its arrays convert to pandas series. xarray reads through zarr-python, so another library
    reads here what exzarr wrote.
    """)
    return


@app.cell
def interoperability(bars, cube, exzarr, moments, names, np, pd, show, ticks, work):
    import xarray as xr
    import zarr

    dataset = xr.open_zarr(work / "market.zarr")
    series = dataset["ticks"].sel(symbol=str(names[2]), field="price").to_series()
    show.check("xarray decodes the times", np.array_equal(series.index.to_numpy().astype("M8[s]"), moments))
    show.check(
        "xarray reads the same prices", np.array_equal(series.to_numpy(), ticks[:, 2, 0], equal_nan=True)
    )

    _five = bars(cube, moments, np.timedelta64(5, "m"), symbols=slice(2, 3))
    _theirs = series.resample("5min").last().reindex(pd.DatetimeIndex(_five.time))
    show.check(
        "the closes equal those that pandas computes from xarray's series",
        np.array_equal(_five.close[:, 0], _theirs, equal_nan=True),
    )

    # The other direction: zarr-python writes a frame of bars, exzarr reads it.
    _frame = pd.DataFrame({"close": _five.close[:, 0], "volume": _five.volume[:, 0]}, index=_five.time)
    zarr.create_array(work / "bars.zarr", data=_frame.to_numpy(), chunks=(64, 2))
    show.check(
        "exzarr reads the array that zarr-python wrote",
        np.array_equal(exzarr.open(work / "bars.zarr")[...], _frame, equal_nan=True),
    )
    show.results(values_compared=len(series))
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Performance and operations

    The next cell makes five-minute bars of the whole cube: with pandas and all ticks in memory, and with `bars` from
    disk, with one thread and with two. Both process the same ticks.
    """)
    return


@app.cell
def speed(bars, cube, moments, np, pd, show, style, ticks, time):
    _index = pd.DatetimeIndex(moments)

    def _pandas():
        price, volume = pd.DataFrame(ticks[:, :, 0], _index), pd.DataFrame(ticks[:, :, 1], _index)
        grouped = price.resample("5min")
        grouped.first(), grouped.max(), grouped.min()
        (price * volume).resample("5min").sum() / volume.resample("5min").sum()
        return grouped.last()

    _five = np.timedelta64(5, "m")
    _ways = {
        "pandas, in memory": _pandas,
        "bars, 1 thread": lambda: bars(cube, moments, _five, workers=1),
        "bars, 2 threads": lambda: bars(cube, moments, _five, workers=2),
    }
    _took = {name: [] for name in _ways}
    for _turn in range(4):
        for _name, _way in _ways.items():
            _began = time.perf_counter()
            _way()
            if _turn:
                _took[_name].append(time.perf_counter() - _began)
    _rate = {name: ticks[:, :, 0].size / float(np.median(t)) / 1e6 for name, t in _took.items()}

    _fig, _axes = style.new_figure(7.6, 1.9, grid="x")
    _axes.barh([*_rate], [*_rate.values()], color=[style.GREY, style.BLUE, style.BLUE])
    _axes.invert_yaxis()
    style.title(_axes, "Five-minute bars of all symbols", "millions of seconds × symbols in a second")
    show.measured(
        pandas_rate=_rate["pandas, in memory"],
        one_rate=_rate["bars, 1 thread"],
        two_rate=_rate["bars, 2 threads"],
    )
    show.figure(
        "speed", _fig, alt="Bars: the number of ticks per second that pandas and exzarr turn into bars."
    )
    return


@app.cell
def monitor(bars, cube, exzarr, moments, np, show):
    with exzarr.profile() as profile:
        bars(cube, moments, np.timedelta64(1, "h"), workers=2)
    show.check("bars reads each chunk once", profile.total("read").chunks == cube.nchunks)
    print(profile)
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    Conclusions:

    - **Chunks.** Along time, use a session, or a part of it that is a whole number of your usual bars. Use a few
      symbols, and all fields, because most computations need several fields. If both kinds of read matter, use small
      chunks in shards.
    - **Throughput or latency.** End-of-day jobs work by chunk, with as many workers as there are cores. A screen that
      shows one symbol reads a window, and it needs few bytes decoded for each byte requested.
    - **Live data.** Append to a session that is still in progress: `cube.append(block)`, or `exzarr.ingest`, which
      appends each block exactly once, however often it is killed. Append whole chunks where possible.
    - **What to monitor.** Watch the bytes decoded per byte requested for the reads that people wait for. Watch the
      share of NaN for each symbol, because a feed that stopped looks like a quiet market. Watch the failed and
      retried chunks, which `parallel_chunk_map(retries=2, timeout=30)` counts in its `stats`.
    """)
    return


if __name__ == "__main__":
    app.run()

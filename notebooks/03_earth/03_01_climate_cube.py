import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="A climate cube: maps, series and anomalies")


@app.cell(hide_code=True)
def header(mo):
    mo.md(r"""
    # A climate cube: maps, series and anomalies

    Read one cube of sea temperatures as maps, series and windows, and measure the cost of each in three layouts.

    - **Goal.** Choose chunks for a cube that is read in several ways; compute a climatology and anomalies in one
      pass each, in bounded memory, even if requests to the store fail.
    - **Data.** Sea-surface temperature of the tropics by month, April 2006 to September 2010: OSTIA, from the PyPI
      package iris-sample-data.
    - **Licence.** Open Government Licence (British Crown copyright).
    - **Run time.** About 5 s on two cores.
    - **Try next.** Use the 240 years of `E1_north_america.nc` (`read_cube` also reads it), or put the cube into a
      bucket and remove the `LatencyStore`.
    """)
    return


@app.cell
def imports():
    import time

    import marimo as mo
    import numpy as np

    import exzarr
    from exzarr.gallery import climate, show, style
    from exzarr.gallery.workspace import Workspace
    from exzarr.stores import LatencyStore, LocalStore
    from exzarr.testing.faults import FaultPlan, FaultStore

    style.use()
    return (
        FaultPlan,
        FaultStore,
        LatencyStore,
        LocalStore,
        Workspace,
        climate,
        exzarr,
        mo,
        np,
        show,
        style,
        time,
    )


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## A cube and its coordinates

    A climate cube is an array of time × latitude × longitude, and three small arrays with the coordinates. All are in one
    group. Dimension names connect them, and the attributes follow the CF conventions, so xarray understands the
    data. Land has no sea temperature: it is `NaN`.
    """)
    return


@app.cell
def write_cube(Workspace, climate, exzarr, np, show):
    cube = climate.read_cube()
    work = Workspace("climate")
    root = exzarr.create_group(
        work / "ocean.zarr", overwrite=True, attributes={"title": "Tropical oceans, OSTIA"}
    )
    sst = root.create_array(
        "sst",
        data=cube.values,
        chunks=(18, 9, 72),
        fill_value=np.nan,
        dimension_names=("time", "latitude", "longitude"),
        attributes={"units": cube.units, "standard_name": "sea_surface_temperature"},
    )
    _months = cube.time.astype("M8[D]").astype("int64")
    _coordinates = {
        "time": (_months, {"units": "days since 1970-01-01", "calendar": "proleptic_gregorian"}),
        "latitude": (cube.latitude, {"units": "degrees_north"}),
        "longitude": (cube.longitude, {"units": "degrees_east"}),
    }
    for _name, (_values, _attributes) in _coordinates.items():
        root.create_array(_name, data=_values, dimension_names=(_name,), attributes=_attributes)
    exzarr.consolidate_metadata(root)

    show.check("the stored cube equals the source", np.array_equal(sst[...], cube.values, equal_nan=True))
    show.results(
        months=sst.shape[0], latitudes=sst.shape[1], longitudes=sst.shape[2], chunks=sst.nchunks,
        cube_mb=sst.nbytes / 1e6, land_percent=100 * float(np.isnan(cube.values[0]).mean()),
    )  # fmt: skip
    return cube, root, sst, work


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Read a map

    A map is one position in time, and all positions of the other dimensions. Move the slider through a cold winter
    (January 2008, La Niña) and a warm one (January 2010, El Niño).
    """)
    return


@app.cell
def map_control(cube, mo):
    month = mo.ui.slider(0, len(cube.time) - 1, value=45, label="month", full_width=True)
    month
    return (month,)


@app.cell
def read_map(cube, month, np, show, sst, style):
    the_map = sst.isel(time=month.value)

    _fig, _axes = style.new_figure(8.2, 2.0, grid="")
    _mesh = _axes.pcolormesh(
        cube.longitude, cube.latitude, the_map - 273.15, cmap="RdYlBu_r", vmin=20, vmax=31, rasterized=True
    )
    _axes.plot(
        [190, 240, 240, 190, 190], [-4.6, -4.6, 4.6, 4.6, -4.6], color=style.INK, linestyle="--", linewidth=1
    )
    _axes.set(xlabel="degrees east", ylabel="degrees north", yticks=[-4, 0, 4])
    _fig.colorbar(_mesh, ax=_axes, label="°C", pad=0.01)
    style.title(_axes, f"The sea in {cube.time[month.value]}", "dashed: the Niño 3.4 region")
    show.check(
        "the map equals NumPy's slice", np.array_equal(the_map, cube.values[month.value], equal_nan=True)
    )
    show.figure("map", _fig, alt="A band of the tropics around the globe: the sea in colours by temperature.")
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Read a window by its coordinates

    An index is computed from a window: the middle of the Pacific, all months. `climate.window` finds the positions
    between two values of a coordinate; `isel` selects them by dimension name.
    """)
    return


@app.cell
def read_window(climate, cube, np, show, sst):
    nino_34 = {"latitude": slice(None), "longitude": climate.window(cube.longitude, 190, 240)}
    region = sst.isel(**nino_34)
    series = np.nanmean(region, axis=(1, 2))
    show.check(
        "the window equals NumPy's slice",
        np.array_equal(region, cube.values[:, :, nino_34["longitude"]], equal_nan=True),
    )
    show.results(
        window_columns=region.shape[2],
        coldest=str(cube.time[series.argmin()]),
        warmest=str(cube.time[series.argmax()]),
    )
    return (nino_34,)


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Compare three layouts

    A reader of maps needs chunks that are maps. A reader of single points needs chunks that are series. `copy` writes
    each layout from another, in bounded memory. There are three reads per layout: a map, the series of one point, and two
    years of the Niño 3.4 region. `explain` reports their cost without reading data.
    """)
    return


@app.cell
def layouts(climate, cube, exzarr, np, root, show, sst, work):
    shapes = {"maps": (1, 18, 432), "series": (54, 3, 12), "boxes": (18, 9, 72)}
    _pacific = climate.window(cube.longitude, 190, 240)
    _years = climate.window(cube.time, np.datetime64("2008-01"), np.datetime64("2009-12"))
    reads = {
        "one map": (45, slice(None), slice(None)),
        "one point": (slice(None), 9, 260),
        "a region": (_years, slice(None), _pacific),
    }
    cubes = {}
    for _name, _chunks in shapes.items():
        exzarr.copy(root["sst"], work / f"{_name}.zarr", chunks=_chunks, overwrite=True)
        cubes[_name] = exzarr.open_array(work / f"{_name}.zarr", mode="r")
    plans = {
        (_name, _read): cubes[_name].explain[_region] for _name in shapes for _read, _region in reads.items()
    }

    show.check(
        "all layouts hold the same values",
        all(np.array_equal(one[...], sst[...], equal_nan=True) for one in cubes.values()),
    )
    for (_name, _read), _plan in plans.items():
        _key = f"{_name}_{_read.replace(' ', '_')}"
        show.results(**{f"requests_{_key}": _plan.requests, f"amp_{_key}": _plan.amplification})
    show.table(
        {
            "chunks": _name,
            **{f"{_read}: requests": plans[_name, _read].requests for _read in reads},
            **{f"{_read}: bytes for one": round(plans[_name, _read].amplification, 1) for _read in reads},
        }
        for _name in shapes
    )
    return plans, reads, shapes


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    No layout is good for every read. If chunks are maps, one point needs a request for every month. If they are
    series, a map needs a request for every block of points. Boxes are best for regions, and acceptable for the other
    reads.

    On a local disk a request takes microseconds. An object store takes about 20 ms to answer. `LatencyStore` adds this
    latency to the folder here. Requests run concurrently, so the time grows more slowly than their number.
    """)
    return


@app.cell
def over_the_network(LatencyStore, LocalStore, exzarr, np, plans, reads, shapes, show, style, time, work):
    seconds = {}
    for _name in shapes:
        _far = exzarr.open_array(
            LatencyStore(LocalStore(work / f"{_name}.zarr"), 0.02, concurrency=8), mode="r"
        )
        for _read, _region in reads.items():
            _took = []
            for _ in range(3):
                _started = time.perf_counter()
                _far[_region]
                _took.append(time.perf_counter() - _started)
            seconds[_name, _read] = float(np.median(_took))
            show.measured(**{f"ms_{_name}_{_read.replace(' ', '_')}": 1e3 * seconds[_name, _read]})

    _fig, (_left, _right) = style.new_figure(8.2, 3.2, columns=2)
    for _k, _name in enumerate(shapes):
        _at = np.arange(len(reads)) + 0.26 * _k - 0.26
        _left.bar(_at, [plans[_name, _read].requests for _read in reads], 0.24, label=f"chunks are {_name}")
        _right.bar(_at, [1e3 * seconds[_name, _read] for _read in reads], 0.24)
    for _axes in (_left, _right):
        _axes.set_xticks(range(len(reads)), list(reads))
    _left.set_yscale("log")
    _left.legend(fontsize=8)
    style.title(_left, "Requests")
    style.title(_right, "Milliseconds", "20 ms an answer, 8 at once")
    show.figure(
        "layouts",
        _fig,
        alt="Bars: requests and time of three reads in three layouts; boxes are best for a region.",
    )
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Compute a climatology by streaming

    The mean of each month of the year needs every value of the cube once. `climatology` keeps sums and counts
    of twelve maps, and takes the chunks one by one from a `chunk_stream`. Two threads read ahead, and at most
    four chunks are in memory for any number of years. A cube of a terabyte takes more time, but not more memory.
    """)
    return


@app.cell
def climatology(climate, cube, np, show, sst):
    import pandas as pd

    normal = climate.climatology(sst, cube.time, workers=2, prefetch=2)

    _flat = pd.DataFrame(
        cube.values.reshape(len(cube.time), -1).astype("f8"), index=climate.calendar_months(cube.time)
    )
    _pandas = _flat.groupby(level=0).mean().to_numpy().reshape(normal.means.shape)
    show.check(
        "the climatology equals what pandas computes in memory",
        np.allclose(normal.means, _pandas, equal_nan=True),
    )
    show.check("each chunk was read once", normal.chunks == sst.nchunks)
    show.results(
        climatology_chunks=normal.chunks,
        chunk_kib=int(np.prod(sst.chunks)) * sst.itemsize / 1024,
        stream_kib=4 * int(np.prod(sst.chunks)) * sst.itemsize / 1024,
    )
    return (normal,)


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Compute anomalies from a store that fails

    An anomaly is a value minus the climatology. Each chunk can be processed on its own, so this is a
    `parallel_chunk_map` that writes another array. The source is a store that fails a fifth of the requests on purpose
    (`FaultStore`). With retries, only the number of attempts shows the failures. Without retries, the first failure would
    end the map with an error that names the chunk.
    """)
    return


@app.cell
def anomalies(FaultPlan, FaultStore, LocalStore, climate, cube, exzarr, normal, np, root, show, work):
    shaky = FaultStore(LocalStore(work / "boxes.zarr"), FaultPlan())
    source = exzarr.open_array(shaky, mode="r")
    shaky.requests, shaky.plan = 0, FaultPlan.seeded(3, rate=0.2, what=["fail"])

    anomaly = root.create_array(
        "anomaly", shape=source.shape, chunks=(54, 6, 72), dtype="f4", fill_value=np.nan,
        dimension_names=source.dimension_names, attributes={"units": "K"}, overwrite=True,
    )  # fmt: skip
    stats = source.parallel_chunk_map(
        climate.Anomaly(normal.means, climate.calendar_months(cube.time)),
        with_chunk=True, out=anomaly, workers=2, retries=exzarr.Retry(attempts=6, wait_initial=0.001, wait_jitter=0.001),
    )  # fmt: skip
    exzarr.consolidate_metadata(root)

    _expected = cube.values - normal.means[climate.calendar_months(cube.time)]
    show.check("requests failed", len(shaky.happened) > 0)
    show.check(
        "every anomaly equals NumPy's",
        np.allclose(anomaly[...], _expected, atol=1e-4, equal_nan=True),
    )
    show.check(
        "each failed request was retried, and none remained",
        (stats.retries, stats.failed) == (len(shaky.happened), 0),
    )
    show.measured(failures=len(shaky.happened), retries=stats.retries)
    return (anomaly,)


@app.cell
def draw_anomalies(anomaly, climate, cube, nino_34, np, show, style):
    _band = anomaly[...]
    _land = np.isnan(_band).all(axis=1)
    _hovmoeller = np.where(_land, np.nan, np.nanmean(np.where(_land[:, None], 0, _band), axis=1))
    index = np.nanmean(anomaly.isel(**nino_34), axis=(1, 2))
    _strong = {
        name: climate.window(cube.time, np.datetime64(name), np.datetime64(name)).start
        for name in ("2008-01", "2010-01")
    }

    _fig, (_left, _right) = style.new_figure(
        8.2, 4.4, columns=2, grid="", sharey=True, gridspec_kw={"width_ratios": (3, 1)}
    )
    _mesh = _left.pcolormesh(
        cube.longitude,
        np.arange(len(cube.time)),
        _hovmoeller,
        cmap="RdBu_r",
        vmin=-2.5,
        vmax=2.5,
        rasterized=True,
    )
    _left.set(xlabel="degrees east")
    _left.set_yticks(range(9, len(cube.time), 12), [str(t)[:4] for t in cube.time[9::12]])
    _left.invert_yaxis()
    _fig.colorbar(_mesh, ax=_right, label="K")
    style.title(_left, "Warmer or colder than usual", "mean from 5° S to 5° N")
    _right.fill_betweenx(np.arange(len(index)), 0, index, where=index > 0, color=style.RED, interpolate=True)
    _right.fill_betweenx(np.arange(len(index)), 0, index, where=index < 0, color=style.BLUE, interpolate=True)
    _right.set(xlabel="K")
    style.title(_right, "Niño 3.4")
    show.check(
        "La Niña was cold, El Niño was warm",
        index[_strong["2008-01"]] < -0.5 < 0.5 < index[_strong["2010-01"]],
    )
    show.results(
        la_nina=round(float(index[_strong["2008-01"]]), 2), el_nino=round(float(index[_strong["2010-01"]]), 2)
    )
    show.figure(
        "anomalies",
        _fig,
        alt="Time downwards, longitude across: a cold tongue in the Pacific in 2008, a warm one in 2010.",
    )
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Interoperability: open the cube with xarray

    xarray opens the group as a data set with dimension names, coordinates and units of time. With consolidated
    metadata, this takes one request. xarray computes the same results from the same files.
    """)
    return


@app.cell
def interoperability(anomaly, np, normal, show, work):
    import warnings

    import xarray as xr

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # consolidated metadata is not in the v3 specification yet
        ocean = xr.open_zarr(work / "ocean.zarr", consolidated=True)
        _by_month = ocean.sst.astype("f8").groupby("time.month")
        their_normal = _by_month.mean()
        their_anomaly = (_by_month - their_normal).transpose("time", ...)
        show.check(
            "xarray finds the coordinates and decodes time", str(ocean.time.values[0])[:7] == "2006-04"
        )
        show.check(
            "xarray computes the same climatology",
            np.allclose(their_normal.values, normal.means, equal_nan=True),
        )
        show.check(
            "xarray computes the same anomalies",
            np.allclose(their_anomaly.values, anomaly[...], atol=1e-4, equal_nan=True),
        )
    show.results(values_compared=int(anomaly.size))
    ocean
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Performance and operations

    **Two copies.** If maps and series are both read often, keep two layouts. You pay for storage once a month,
    and for requests with every read. The second copy takes a single pass:
    """)
    return


@app.cell
def second_copy(exzarr, np, root, show, time, work):
    _started = time.perf_counter()
    exzarr.copy(root["sst"], work / "second.zarr", chunks=(54, 3, 12), shards=(54, 9, 72), overwrite=True)
    _took = time.perf_counter() - _started
    _second = exzarr.open_array(work / "second.zarr", mode="r")
    _plan = _second.explain[:, 9, 260]  # before the first read, so that no index is known
    with exzarr.profile() as profile:
        _second[:, 9, 260]
    _files = len(work.files("second.zarr"))
    show.check(
        "the copy holds the same values", np.array_equal(_second[...], root["sst"][...], equal_nan=True)
    )
    show.results(
        second_files=_files,
        second_chunks=_second.nchunks,
        second_requests=_plan.requests,
    )
    show.measured(second_ms=1e3 * _took)
    print(profile)
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    - **Shards make small chunks practical.** The copy above has as many chunks as the layout of series, in a few files.
      A reader still fetches single chunks, by ranges of bytes.
    - **Throughput and latency.** Streams over the whole cube need large chunks and few requests. A map server needs few
      requests for *its* read. Choose the layout for the reader that waits.
    - **What to monitor.** The requests per map, because they determine the cost and the waiting time. The retries of maps
      and streams (`stats.retries`), which increase long before a store fails completely. The bytes decoded per byte
      requested.
    """)
    return


if __name__ == "__main__":
    app.run()

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="A climate cube: maps, series and anomalies")


@app.cell(hide_code=True)
def header(mo):
    mo.md(r"""
    # A climate cube: maps, series and anomalies

    One cube of sea temperatures, read as maps, as series and as windows, and what each costs in three layouts.

    - **Goal.** Choose chunks for a cube that is read in several ways; compute a climatology and anomalies in one
      pass each, in bounded memory, even where the store fails now and then.
    - **Data.** Sea-surface temperature of the tropics by month, April 2006 to September 2010: OSTIA, from the PyPI
      package iris-sample-data.
    - **Licence.** Open Government Licence (British Crown copyright).
    - **Run time.** About 5 s on two cores.
    - **Try next.** Take the 240 years of `E1_north_america.nc` (`read_cube` reads it, too), or put the cube into a
      bucket and leave out the `LatencyStore`.
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
    ## One cube, and its coordinates

    A climate cube is an array of time × latitude × longitude, and three small arrays that say what the positions
    mean. They lie in one group. Names of dimensions tie them together, and the attributes are those of the CF
    conventions, so that xarray knows what it has before it. Land has no sea temperature: it is `NaN`.
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

    show.check("the cube is stored as it was read", np.array_equal(sst[...], cube.values, equal_nan=True))
    show.results(
        months=sst.shape[0], latitudes=sst.shape[1], longitudes=sst.shape[2], chunks=sst.nchunks,
        cube_mb=sst.nbytes / 1e6, land_percent=100 * float(np.isnan(cube.values[0]).mean()),
    )  # fmt: skip
    return cube, root, sst, work


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Read a map

    A map is one position in time and all of the others. Move the slider through a cold winter (January 2008, La
    Niña) and a warm one (January 2010, El Niño).
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
        "a map is what NumPy cuts out", np.array_equal(the_map, cube.values[month.value], equal_nan=True)
    )
    show.figure("map", _fig, alt="A band of the tropics around the globe: the sea in colours by temperature.")
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Read a window, by its coordinates

    What an index is made of is a window: the middle of the Pacific, all months. `climate.window` finds the positions
    between two values of a coordinate; `isel` takes them by name.
    """)
    return


@app.cell
def read_window(climate, cube, np, show, sst):
    nino_34 = {"latitude": slice(None), "longitude": climate.window(cube.longitude, 190, 240)}
    region = sst.isel(**nino_34)
    series = np.nanmean(region, axis=(1, 2))
    show.check(
        "the window is what NumPy cuts out",
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
    ## Three layouts

    Who draws maps wants chunks that are maps; who looks at one buoy wants chunks that are series. `copy` makes
    one layout out of another, in bounded memory. For each, three reads: a map, the series of one point, and two
    years of the Niño 3.4 region. `explain` tells what they cost; nothing has to be read for that.
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
        "all layouts hold the same",
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
    No layout is good at everything. Where chunks are maps, one point costs a request for every month; where they are
    series, a map costs one for every place. Boxes are best for regions, and bad at nothing.

    On a local disk the difference is microseconds. An object store takes some 20 ms to answer: `LatencyStore` makes the
    folder here as slow as that. Many requests wait at once, so time grows more slowly than their number, and yet
    it grows.
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
        alt="Bars: requests and time of three reads in three layouts; boxes are best for a region and bad at nothing.",
    )
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## What is usual: a climatology by streaming

    The mean of each month of the year needs all of the cube, and none of it for long. `climatology` keeps sums and counts
    of twelve maps, and takes one chunk after the other from a `chunk_stream`: two threads read ahead, and no more than
    four chunks are in memory, however many years there are. A cube of a terabyte takes longer, and no more memory.
    """)
    return


@app.cell
def usual(climate, cube, np, show, sst):
    import pandas as pd

    normal = climate.climatology(sst, cube.time, workers=2, prefetch=2)

    _flat = pd.DataFrame(
        cube.values.reshape(len(cube.time), -1).astype("f8"), index=climate.calendar_months(cube.time)
    )
    _pandas = _flat.groupby(level=0).mean().to_numpy().reshape(normal.means.shape)
    show.check(
        "the climatology is what pandas makes of all in memory",
        np.allclose(normal.means, _pandas, equal_nan=True),
    )
    show.check("each chunk went through memory once", normal.chunks == sst.nchunks)
    show.results(
        climatology_chunks=normal.chunks,
        chunk_kib=int(np.prod(sst.chunks)) * sst.itemsize / 1024,
        stream_kib=4 * int(np.prod(sst.chunks)) * sst.itemsize / 1024,
    )
    return (normal,)


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## What is unusual: anomalies, from a store that fails

    An anomaly is a value minus what is usual. Each chunk can be worked on by itself, so this is a
    `parallel_chunk_map` that writes another array. Here it reads from a store that fails every fifth request on purpose
    (`FaultStore`): with retries nobody notices, but for the count of attempts. Without, the first failure would end the
    map, with an error that names the chunk.
    """)
    return


@app.cell
def unusual(FaultPlan, FaultStore, LocalStore, climate, cube, exzarr, normal, np, root, show, work):
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
    show.check("the store did fail", len(shaky.happened) > 0)
    show.check(
        "and every anomaly is what NumPy says",
        np.allclose(anomaly[...], _expected, atol=1e-4, equal_nan=True),
    )
    show.check(
        "each failure was tried again, none was left",
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
    ## Interoperability: xarray takes it from here

    The group is one that xarray opens as a data set: dimension names, coordinates, units of time, and consolidated
    metadata, so that opening it is one request. What it computes from the same files is what we computed.
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
            "xarray knows the coordinates and decodes time", str(ocean.time.values[0])[:7] == "2006-04"
        )
        show.check("its climatology is ours", np.allclose(their_normal.values, normal.means, equal_nan=True))
        show.check(
            "its anomalies are ours",
            np.allclose(their_anomaly.values, anomaly[...], atol=1e-4, equal_nan=True),
        )
    show.results(values_compared=int(anomaly.size))
    ocean
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Performance and operations

    **Two copies, if you can.** When maps and series are both wanted often, keep two layouts: storage is cheap, and requests
    are paid for again with every read. What the second copy costs is a single pass:
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
    show.check("the copy holds the same", np.array_equal(_second[...], root["sst"][...], equal_nan=True))
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
    - **Shards make small chunks bearable.** The copy above has as many chunks as the layout of series, in a handful of files:
      a reader still fetches single chunks, by ranges of bytes.
    - **Throughput or latency.** Streams over the whole cube want large chunks and few requests. A map server wants few
      requests for *its* read, and nothing else. Decide which read somebody waits for.
    - **What to monitor.** Requests for one map (they are money, and they are what is waited for), the retries of maps and
      streams (`stats.retries`: a store that gets worse shows there first), and the bytes decoded for each one that was wanted.
    """)
    return


if __name__ == "__main__":
    app.run()

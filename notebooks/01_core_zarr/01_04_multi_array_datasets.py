import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="Many arrays, one data set")


@app.cell(hide_code=True)
def header(mo):
    mo.md(r"""
    # Many arrays, one data set

    Organise a network of weather stations with groups, coordinates and attributes, and find all of it with one
    request.

    - **Goal.** Lay out a data set of many arrays so that people and programs find their way: decide what is a group,
      an array, a dimension or an attribute, and know what discovery costs.
    - **Data.** Two years of hourly weather of 40 stations, generated from a seed (`exzarr.gallery.stations`).
    - **Licence.** None is needed: nothing is downloaded.
    - **Run time.** About 6 s on two cores.
    - **Try next.** Put all months into one array that grows (see tutorial 6), and compare the cost of discovery and
      of a series over all months.
    """)
    return


@app.cell
def imports():
    import time
    from concurrent.futures import ThreadPoolExecutor

    import marimo as mo
    import numpy as np

    import exzarr
    from exzarr.gallery import show, stations, style
    from exzarr.gallery.workspace import Workspace, size
    from exzarr.stores import CountingStore, LatencyStore, LocalStore

    style.use()
    return (
        CountingStore, LatencyStore, LocalStore, ThreadPoolExecutor, Workspace, exzarr, mo, np, show, size, stations,
        style, time,
    )  # fmt: skip


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## What goes where

    There are four places for a fact, each for one kind of fact:

    - **A dimension** is an axis that you slice. Hours and stations are dimensions, because people request ranges of
      both.
    - **An array** is one quantity with one data type. Temperature and pressure are two arrays, so that a reader of
      one does not fetch the other.
    - **A group** is a unit that you create, replace or delete as a whole. Here that is a month, because the network
      delivers by month.
    - **An attribute** is a fact about a node that fits into a line: units, a source, a version.

    The *meaning* of the positions along a dimension is an array, too: a **coordinate**. A coordinate has one
    dimension, and it has the name of that dimension.
    """)
    return


@app.cell
def write_archive(Workspace, exzarr, np, show, size, stations):
    network = stations.network(40, seed=5)
    months = [str(m) for m in np.arange("2023-01", size("2025-01", full="2043-01"), dtype="M8[M]")]
    work = Workspace("stations")
    root = exzarr.create_group(
        work / "weather.zarr",
        overwrite=True,
        attributes={"title": "A network of weather stations", "version": 1},
    )
    root.create_array("station", data=np.array(network.names), dimension_names=("station",))
    for _name in ("latitude", "longitude", "elevation"):
        root.create_array(_name, data=getattr(network, _name), dimension_names=("station",))

    def write_month(month):
        group = root.create_group(month, attributes={"source": "hourly means"})
        hours = stations.hours_of(month)
        group.create_array(
            "time",
            data=hours.astype("int64"),
            dimension_names=("time",),
            attributes={"units": "hours since 1970-01-01"},
        )
        for name, values in stations.month_of_data(network, month, seed=5).items():
            group.create_array(
                name, data=values, chunks=(248, 40), fill_value=np.nan, dimension_names=("time", "station"),
                attributes={"units": stations.UNITS[name], "coordinates": "/latitude /longitude"},
            )  # fmt: skip

    for _month in months:
        write_month(_month)
    arrays = [path for path, node in root.walk() if isinstance(node, exzarr.Array)]
    show.check("every month has its four arrays", len(arrays) == 4 + 4 * len(months))
    show.results(
        months=len(months),
        arrays=len(arrays),
        tree=str(exzarr.open_group(work / "weather.zarr")["2023-01"].tree()),
    )
    return months, network, root, work


@app.cell
def look_around(exzarr, mo, months, np, show, work):
    archive = exzarr.open_group(work / "weather.zarr", mode="r")
    july = archive["2023-07/temperature"]
    show.check("a path selects an array", july.attrs["units"] == "degC")
    show.check("dimensions have names", july.dimension_names == ("time", "station"))
    show.check("arrays store strings", archive["station"][3] == "station-003")
    show.check("a selection can use dimension names", np.array_equal(july.isel(station=3), july[:, 3]))
    mo.md(f"```text\n{archive[months[0]].tree()}\n```")
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## What discovery costs

    Each node has its own document. To find the contents of the archive, a reader reads all documents, one request
    each, and needs some more requests to list the nodes. `CountingStore` counts the requests.

    *Consolidated* metadata is a copy of all documents in the document of the root. With it, one request finds
    everything.
    """)
    return


@app.cell
def discovery(CountingStore, LatencyStore, LocalStore, exzarr, np, root, show, time, work):
    def discover(store, use_consolidated):
        """Open the archive and inspect each array; return the number of arrays, requests and milliseconds (median of 3)."""
        took = []
        for _ in range(3):
            counting = CountingStore(store)
            started = time.perf_counter()
            opened = exzarr.open_group(counting, mode="r", use_consolidated=use_consolidated)
            found = sum(isinstance(node, exzarr.Array) and bool(node.shape) for _, node in opened.walk())
            took.append(1e3 * (time.perf_counter() - started))
        return found, counting.total, float(np.median(took))

    folder = LocalStore(work / "weather.zarr")
    far = LatencyStore(folder, 0.002)
    before, before_far = discover(folder, False), discover(far, False)
    exzarr.consolidate_metadata(root)
    after, after_far = discover(folder, True), discover(far, True)

    show.check("both ways find the same arrays", before[0] == after[0])
    show.check(
        "consolidated metadata takes one request instead of one or more for each document",
        after[1] == 1 < after[0] < before[1],
    )
    show.results(
        requests_before=before[1],
        requests_after=after[1],
        document_kib=round(work.bytes_on_disk("weather.zarr/zarr.json") / 1024),
    )
    show.measured(
        near_before_ms=before[2],
        near_after_ms=after[2],
        far_before_ms=before_far[2],
        far_after_ms=after_far[2],
    )
    show.table(
        {
            "metadata": name,
            "requests": near[1],
            "from here, ms": round(near[2], 1),
            "2 ms away, ms": round(away[2], 1),
        }
        for name, near, away in (("each node's own", before, before_far), ("consolidated", after, after_far))
    )
    return after, before


@app.cell
def discovery_control(mo):
    latency = mo.ui.slider(1, 100, value=30, label="milliseconds for an answer")
    latency
    return (latency,)


@app.cell
def draw_discovery(after, before, latency, np, show, style):
    _arrays = np.array([10, 30, 100, 300, 1000])
    _per_array = before[1] / before[0]
    _fig, _axes = style.new_figure(7.2, 3.2, grid="both")
    _axes.plot(
        _arrays, _arrays * _per_array * latency.value / 1e3, marker="o", label="each node's own document"
    )
    _axes.plot(_arrays, np.full(5, after[1] * latency.value / 1e3), marker="o", label="consolidated")
    _axes.set(
        xscale="log", yscale="log", xlabel="arrays in the hierarchy", ylabel="seconds", ylim=(5e-4, 1e3)
    )
    _axes.legend()
    style.title(_axes, "To find everything, one request after the other", f"{latency.value} ms an answer")
    show.figure(
        "discovery",
        _fig,
        alt="Two lines: discovery time grows with the number of arrays, or stays at one request.",
    )
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Consolidated metadata stays consistent with several writers

    A copy can become outdated. If only exzarr writes, this does not happen: when you create or change a node, exzarr
    also updates the consolidated metadata above it, under a lock. In this cell, four threads concurrently add a
    quantity, the dew point, to every month. They compute it from two arrays chunk by chunk. The document of the root
    changes many times, and no update is lost.
    """)
    return


@app.cell
def concurrent_writers(
    CountingStore, LocalStore, ThreadPoolExecutor, after, exzarr, months, np, root, show, stations, work
):
    def add_dew_point(month):
        group = root[month]
        like = group["temperature"]
        out = group.create_array(
            "dew_point", shape=like.shape, chunks=like.chunks, dtype="f4", fill_value=np.nan,
            dimension_names=like.dimension_names, attributes={"units": "degC"}, overwrite=True,
        )  # fmt: skip
        exzarr.parallel_chunk_map(stations.dew_point, [like, group["humidity"]], out=out, workers=2)
        return month

    with ThreadPoolExecutor(4) as _pool:
        done = list(_pool.map(add_dew_point, months))

    counting = CountingStore(LocalStore(work / "weather.zarr"))
    everything = exzarr.open_group(counting, mode="r")
    _found = [path for path, _ in everything.walk() if path.endswith("dew_point")]
    _month = everything["2024-02"]
    show.check(
        "the consolidated metadata contains each new array",
        _found == [f"{month}/dew_point" for month in done],
    )
    show.check("discovery still takes one request", counting.requests["get"] == after[1])
    show.check(
        "the new arrays equal the dew points that NumPy computes",
        np.allclose(
            _month["dew_point"][...],
            stations.dew_point(_month["temperature"][...], _month["humidity"][...]),
            atol=1e-4,
        ),
    )
    show.results(added=len(_found), writers=4)
    return (everything,)


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## One array or many?

    You could store the same month as one array, (hour, station, quantity). Then one request returns all quantities of
    an hour, but a reader of the temperature fetches all quantities. The next cell counts both layouts, with chunks of
    the same size in bytes.
    """)
    return


@app.cell
def one_or_many(everything, exzarr, np, show, style, work):
    _names = ["temperature", "humidity", "pressure", "dew_point"]
    _month = everything["2023-07"]
    stacked = exzarr.create_array(
        work / "stacked.zarr", data=np.stack([_month[name][...] for name in _names], axis=-1), chunks=(62, 40, 4),
        dimension_names=("time", "station", "quantity"), overwrite=True,
    )  # fmt: skip
    plans = {
        "one quantity, all hours": ([_month["temperature"].explain[...]], stacked.explain[..., 0]),
        "all quantities, one day": (
            [_month[name].explain[96:120] for name in _names],
            stacked.explain[96:120],
        ),
    }

    _fig, _axes = style.new_figure(7.2, 2.9)
    for _k, (_label, _pick) in enumerate((("an array for each", 0), ("one array", 1))):
        _amplification = []
        for _read, _plan in plans.items():
            _parts = _plan[0] if _pick == 0 else [_plan[1]]
            _requests = sum(part.requests for part in _parts)
            _decoded = sum(part.decode_bytes for part in _parts) / sum(part.result_bytes for part in _parts)
            _amplification.append(_decoded)
            _key = f"{'many' if _pick == 0 else 'one'}_{'scan' if _read.startswith('one') else 'day'}"
            show.results(**{f"requests_{_key}": _requests, f"amp_{_key}": _decoded})
        _axes.bar(np.arange(2) + 0.3 * _k - 0.15, _amplification, 0.28, label=_label)
    _axes.set_xticks(range(2), list(plans))
    _axes.set_ylabel("bytes decoded per byte wanted")
    _axes.legend()
    style.title(_axes, "Quantities that are read apart are stored apart")
    show.check(
        "a scan of one quantity decodes four times as much from the combined array",
        plans["one quantity, all hours"][1].amplification == 4,
    )
    show.figure(
        "one-or-many",
        _fig,
        alt="Bars: one array is expensive for a scan of one quantity, and cheap for a day of all quantities.",
    )
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Interoperability: conventions of xarray

    xarray opens a group as a data set if the dimensions have names and the coordinates are arrays with these names.
    It needs nothing else. In the other direction, xarray writes through zarr-python, and the result is a group like
    the ones above.

    Other software does not update the consolidated metadata when it writes. You have to consolidate again.
    """)
    return


@app.cell
def interoperability(exzarr, everything, network, np, show, work):
    import warnings

    import xarray as xr
    import zarr

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # consolidated metadata is not in the v3 specification yet
        february = xr.open_zarr(work / "weather.zarr", group="2024-02", consolidated=False)
        show.check(
            "xarray decodes the hours of a leap year", str(february.time.values[-1])[:13] == "2024-02-29T23"
        )
        show.check(
            "xarray reads the same values",
            np.array_equal(february.temperature.values, everything["2024-02/temperature"][...]),
        )
        _daily = february.temperature.resample(time="1D").mean().assign_coords(station=list(network.names))
        _daily.to_dataset().to_zarr(work / "daily.zarr", mode="w")
        theirs = exzarr.open_group(work / "daily.zarr", mode="r")
        show.check(
            "exzarr reads the group that xarray wrote",
            np.allclose(theirs["temperature"][...], _daily.values, atol=1e-6),
        )
        show.check(
            "the dimension names are preserved", theirs["temperature"].dimension_names == ("time", "station")
        )

        exzarr.copy(everything["2024-02"], work / "month.zarr", overwrite=True)
        exzarr.consolidate_metadata(work / "month.zarr")
        zarr.open_group(work / "month.zarr", mode="r+", use_consolidated=False).create_array(
            "wind", data=np.arange(3.0)
        )
    _stale = "wind" in exzarr.open_group(work / "month.zarr")
    _codes = exzarr.check(work / "month.zarr", grace=0).by_code()
    _own = "wind" in exzarr.open_group(work / "month.zarr", use_consolidated=False)
    exzarr.consolidate_metadata(work / "month.zarr")
    _again = "wind" in exzarr.open_group(work / "month.zarr")
    show.check(
        "an array from zarr-python is visible after consolidating again", (_own, _again) == (True, True)
    )
    show.check("check reported the outdated copy", len(_codes) == 1)
    show.results(
        days=int(theirs["temperature"].shape[0]),
        seen_before=_stale,
        seen_after=_again,
        found_by_check=", ".join(_codes),
    )
    february
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Performance and operations

    You can publish a month as one file. A zip of the group is one object to transfer, and exzarr opens it without
    unpacking.
    """)
    return


@app.cell
def publish(everything, exzarr, np, show, time, work):
    _started = time.perf_counter()
    exzarr.copy(everything["2024-02"], work / "2024-02.zarr.zip", overwrite=True)
    _took = time.perf_counter() - _started
    _zipped = exzarr.open_group(work / "2024-02.zarr.zip", mode="r")
    show.check(
        "the zip file contains the same values",
        np.array_equal(_zipped["pressure"][...], everything["2024-02/pressure"][...], equal_nan=True),
    )
    _zipped.store.close()
    _report = exzarr.check(work / "weather.zarr")
    show.check("the whole archive is valid, including the consolidated metadata", _report.ok)
    show.results(month_files=len(work.files("weather.zarr/2024-02")), zip_files=1)
    show.measured(zip_ms=1e3 * _took)
    print(_report.summary())
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    - **Number of arrays.** Every array has a document. A few thousand arrays work well with consolidated metadata. If
      a group for each day would make a million arrays, let an array grow along time instead.
    - **Throughput or latency.** Consolidation replaces many small documents by one larger document. It helps as soon
      as a request costs more than a few kilobytes, which is nearly always.
    - **What to monitor.** Count the requests until the first value arrives, as above. Watch the size of the root's
      document. Run `exzarr check`, which reports where the consolidated metadata and the nodes disagree.
    """)
    return


if __name__ == "__main__":
    app.run()

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="Interoperability: exchange arrays with other Zarr libraries")


@app.cell(hide_code=True)
def header(mo):
    mo.md(r"""
    # Interoperability: exchange arrays with other Zarr libraries

    zarr-python, TensorStore, xarray and zarrita.js read what exzarr wrote, and exzarr reads what they wrote.

    - **Goal.** Know which data types, codecs and layouts are portable between Zarr libraries, see what byte order and
      memory order mean on disk, and test whether another program reads what you wrote.
    - **Data.** Ten days of a measuring buoy: 240 hours × 24 depths of temperature, salinity and more, generated from seed 8.
    - **Licence.** None is needed: nothing is downloaded.
    - **Run time.** About 7 s on two cores; without Node.js, zarrita.js is skipped and it takes 3 s.
    - **Try next.** Add an array with your own data type and codecs to `buoy` and see which libraries read it.
    """)
    return


@app.cell
def imports():
    import time
    from concurrent.futures import ThreadPoolExecutor

    import marimo as mo
    import numpy as np
    import xarray
    import zarr

    import exzarr
    from exzarr.gallery import byte_maps, peers, show, style
    from exzarr.gallery.buoy import buoy
    from exzarr.gallery.workspace import Workspace, size

    style.use()
    return (
        ThreadPoolExecutor, Workspace, buoy, byte_maps, exzarr, mo, np,
        peers, show, size, style, time, xarray, zarr,
    )  # fmt: skip


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## What the format defines

    Two programs can exchange an array if they agree on how its elements become bytes. Zarr defines this:
    every array has a metadata document with its shape, data type, chunk grid and codecs. A library that
    implements everything in the document can read the array. A library that does not must refuse it with an error.

    Two properties of the bytes are older than Zarr. **Byte order** says which byte of a number comes first. **Memory
    order** says which neighbour follows an element: the next in its row (C), or the next in its column (F). Below are
    4 × 6 small integers in one chunk without compression. Select the orders: the chunk's file changes, and the array does
    not.
    """)
    return


@app.cell
def orders(mo):
    byte_order = mo.ui.dropdown(
        {"little-endian": "<i2", "big-endian": ">i2"}, value="little-endian", label="byte order"
    )
    memory_order = mo.ui.dropdown(
        {"C, by rows": "C", "F, by columns": "F"}, value="F, by columns", label="memory order"
    )
    mo.hstack([byte_order, memory_order], justify="start")
    return byte_order, memory_order


@app.cell
def bytes_on_disk(Workspace, byte_maps, byte_order, exzarr, memory_order, np, peers, show, style):
    _small = np.arange(258, 258 + 24, dtype="i2").reshape(4, 6)
    _folder = Workspace("orders")
    _group = exzarr.create_group(_folder / "orders.zarr")

    def chunk_of(dtype, order):
        _group.create_array(
            "a", data=_small, dtype=dtype, order=order, chunks=(4, 6), compressors=None, overwrite=True
        )
        return (_folder / "orders.zarr/a/c/0/0").read_bytes()

    for _dtype in ("<i2", ">i2"):
        for _order in ("C", "F"):
            _raw = chunk_of(_dtype, _order)
            show.check(
                f"the file is NumPy's bytes, {_dtype} in {_order} order",
                _raw == _small.astype(_dtype).tobytes(order=_order),
            )
            show.check(
                f"zarr-python reads them back, {_dtype} in {_order} order",
                np.array_equal(peers.zarr_python(_folder / "orders.zarr", "a"), _small),
            )

    _fig, _axes = style.new_figure(7.6, 2.9, columns=2, grid="", width_ratios=[1, 1.35])
    _raw = chunk_of(byte_order.value, memory_order.value)
    byte_maps.draw_array(_axes[0], _small)
    byte_maps.draw_bytes(_axes[1], _raw, byte_order.value, _small.shape, memory_order.value, width=8)
    style.title(_axes[0], "The array")
    style.title(_axes[1], "Its chunk's file", f"{byte_order.selected_key}, {memory_order.selected_key}")
    show.figure(
        "orders",
        _fig,
        alt="A small array coloured by row, and the 48 bytes of its file, each in the colour of its row.",
    )
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    In Zarr v3 neither is part of the data type: byte order is a setting of the codec `bytes`, and F order is a codec
    `transpose` before it. In v2 both are in the document (`dtype: ">i2"`, `order: "F"`). Readers return the same values
    in either case; only the speed differs.

    ## Ten days of a buoy, in both versions

    Real hierarchies contain more than floats. This one has an array for each kind of data that people store, in
    different layouts on purpose: shards, big-endian integers in F order, half precision, complex numbers, strings, dates,
    records.
    """)
    return


@app.cell
def write(Workspace, buoy, exzarr, show, size):
    hours = size(240, full=24_000)
    arrays = buoy(hours, depths=24, seed=8)
    work = Workspace("interoperability")
    layouts = {
        "salinity": {"chunks": (60, 12), "compressors": "gzip"},
        "counts": {"order": "F", "compressors": "blosc"},
        "half": {"compressors": None},
    }
    for _version in (2, 3):
        _root = exzarr.create_group(work / f"buoy-v{_version}.zarr", zarr_format=_version, overwrite=True)
        for _name, _values in arrays.items():
            _options = dict(layouts.get(_name, {}))
            if _version == 3 and _name == "salinity":
                _options["shards"] = (120, 24)
            _root.create_array(_name, data=_values, **_options)
    show.results(arrays=len(arrays), hours=hours)
    show.table(
        {"array": _name, "data type": str(_values.dtype), "shape": _values.shape}
        for _name, _values in arrays.items()
    )
    return arrays, work


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Interoperability: which library reads which array

    Each library reads each array of both hierarchies, and the result is compared with NumPy, element by
    element. There are three outcomes: the *same* values, a *refusal*, or *other* values. The last must never happen,
    because users do not notice it.

    A library under test may hang, crash or raise. Two threads work through the list. zarrita.js runs in a Node.js
    process that is killed after a timeout. An exception is recorded as a result.
    """)
    return


@app.cell
def other_libraries_read(ThreadPoolExecutor, arrays, peers, show, work):
    readers = {"zarr-python": peers.zarr_python, "TensorStore": peers.tensorstore}
    if peers.has_zarrita():
        readers["zarrita.js"] = peers.zarrita

    _tasks = [(v, peer, name) for v in (2, 3) for peer in readers for name in arrays]

    def verdict_of(task):
        _version, _peer, _name = task
        return peers.judge(readers[_peer], work / f"buoy-v{_version}.zarr", _name, arrays[_name])

    with ThreadPoolExecutor(max_workers=2) as _pool:
        verdicts = dict(zip(_tasks, _pool.map(verdict_of, _tasks), strict=True))

    plain = ["temperature", "salinity", "counts", "mask", "ticks"]
    show.check(
        "no library reads other values than were written",
        all(v.outcome != "other" for v in verdicts.values()),
    )
    show.check(
        "every library reads integers, floats and booleans",
        all(v.outcome == "same" for (_, _, name), v in verdicts.items() if name in plain),
    )
    show.check(
        "every refusal has a reason", all(v.reason for v in verdicts.values() if v.outcome == "refused")
    )
    show.results(plain=len(plain))
    show.measured(
        pairs=len(verdicts),
        readers=len(readers),
        same=sum([v.outcome == "same" for v in verdicts.values()]),
        refused=sum([v.outcome == "refused" for v in verdicts.values()]),
    )
    return readers, verdicts


@app.cell
def matrix(arrays, np, readers, show, style, verdicts):
    _columns = [(peer, v) for peer in readers for v in (2, 3)]

    def kind_of(dtype):
        return {"T": "strings", "U": "short strings", "V": "records"}.get(dtype.kind, str(dtype))

    _fig, _axes = style.new_figure(7.6, 4.0, grid="")
    for _row, _name in enumerate(arrays):
        for _column, (_peer, _version) in enumerate(_columns):
            _same = verdicts[_version, _peer, _name].outcome == "same"
            _axes.scatter(
                _column,
                _row,
                s=150,
                marker="s" if _same else "x",
                color=style.TEAL if _same else style.ORANGE,
            )
    _axes.set_xticks(np.arange(len(_columns)), [f"{peer}\nv{v}" for peer, v in _columns])
    _axes.set_yticks(np.arange(len(arrays)), [f"{n}: {kind_of(a.dtype)}" for n, a in arrays.items()])
    _axes.set_xlim(-0.6, len(_columns) - 0.4)
    _axes.invert_yaxis()
    style.title(_axes, "Who reads what exzarr wrote", "square: the same values; cross: refused")
    show.figure(
        "who-reads-what",
        _fig,
        alt="A table of arrays by libraries: all read numbers, some read strings, dates and records.",
    )
    return


@app.cell
def reasons(show, verdicts):
    show.table(
        {"library": _peer, "version": _version, "array": _name, "what it says": _verdict.reason[:90]}
        for (_version, _peer, _name), _verdict in verdicts.items()
        if _verdict.outcome == "refused"
    )
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    Now the other direction: exzarr reads what other libraries wrote. zarr-python writes shards and
    compressed chunks in both versions. TensorStore writes with its own drivers.
    """)
    return


@app.cell
def exzarr_reads(arrays, exzarr, np, show, work, zarr):
    import tensorstore

    _temperature = arrays["temperature"]

    def equal(path):
        return np.array_equal(exzarr.open_array(path, mode="r")[...], _temperature, equal_nan=True)

    compared = 0
    for _version in (2, 3):
        for _chunks in ((60, 24), (48, 8), (17, 5)):
            _path = work / f"by-zarr-{_version}-{_chunks[0]}.zarr"
            zarr.create_array(_path, data=_temperature, chunks=_chunks, zarr_format=_version, overwrite=True)
            show.check(f"exzarr reads zarr-python's v{_version} in chunks of {_chunks}", equal(_path))
            compared += 1
    _path = work / "by-zarr-sharded.zarr"
    zarr.create_array(_path, data=_temperature, chunks=(12, 12), shards=(120, 24), overwrite=True)
    show.check("exzarr reads zarr-python's shards", equal(_path))

    for _driver in ("zarr", "zarr3"):
        _path = work / f"by-tensorstore-{_driver}.zarr"
        _spec = {"driver": _driver, "kvstore": {"driver": "file", "path": str(_path)}}
        _made = tensorstore.open(
            _spec, create=True, delete_existing=True, dtype="float32", shape=_temperature.shape
        ).result()
        _made.write(_temperature).result()
        show.check(f"exzarr reads what TensorStore's driver {_driver} wrote", equal(_path))
        compared += 1
    show.results(theirs=compared + 1)
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## xarray: names and coordinates

    xarray reads Zarr through zarr-python. It needs dimension names, and attributes that follow the CF conventions (units
    of time, missing values). Pass `dimension_names` when you create arrays, write `units` and `calendar` of a time axis,
    and consolidate the metadata. The hierarchy then opens as a data set with one request.
    """)
    return


@app.cell
def with_xarray(arrays, exzarr, np, show, work, xarray):
    _root = exzarr.create_group(work / "cruise.zarr", attributes={"Conventions": "CF-1.11"}, overwrite=True)
    _hours, _depths = arrays["temperature"].shape
    _root.create_array("time", data=np.arange(_hours), dimension_names=["time"],
                       attributes={"units": "hours since 2026-06-01", "calendar": "standard"})  # fmt: skip
    _root.create_array("depth", data=np.arange(_depths, dtype="f4"), dimension_names=["depth"],
                       attributes={"units": "m", "positive": "down"})  # fmt: skip
    _root.create_array("temperature", data=arrays["temperature"], dimension_names=["time", "depth"],
                       attributes={"units": "degree_Celsius"})  # fmt: skip
    exzarr.consolidate_metadata(_root)

    with xarray.open_zarr(work / "cruise.zarr", chunks=None) as dataset:
        _noon = dataset.temperature.sel(time="2026-06-02T12:00", depth=5)
        show.check(
            "xarray finds the hour and the depth by name", float(_noon) == arrays["temperature"][36, 5]
        )
        _daily = dataset.temperature.resample(time="1D").mean().load()
        with np.errstate(invalid="ignore"):
            _mean = np.nanmean(arrays["temperature"][:240].reshape(-1, 24, _depths), axis=1)
        show.check(
            "xarray computes the same daily means as NumPy", np.allclose(_daily.values[:10], _mean, atol=1e-4)
        )
        dataset.isel(time=slice(0, 48)).to_zarr(work / "by-xarray.zarr", mode="w", consolidated=False)
    _back = exzarr.open_group(work / "by-xarray.zarr", mode="r")["temperature"]
    show.check(
        "exzarr reads what xarray wrote",
        np.array_equal(_back[...], arrays["temperature"][:48], equal_nan=True),
    )
    show.check(
        "exzarr reads the dimension names that xarray wrote",
        tuple(_back.dimension_names) == ("time", "depth"),
    )
    show.results(days=len(_mean))
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Write one array with two libraries

    Zarr does not coordinate writers. One rule works with every library: **each whole chunk has one writer at a time**.
    Below, exzarr writes the even rows of chunks of one array while zarr-python writes the odd ones. No value is
    lost. Threads and processes that use exzarr may share a chunk, because exzarr changes a partial chunk under a lock.
    Other libraries do not take this lock.
    """)
    return


@app.cell
def two_writers(ThreadPoolExecutor, arrays, exzarr, np, show, work, zarr):
    _temperature = arrays["temperature"]
    _path = work / "shared.zarr"
    exzarr.create_array(_path, shape=_temperature.shape, dtype="f4", chunks=(12, 24), overwrite=True)
    _ours, _theirs = exzarr.open_array(_path, mode="r+"), zarr.open_array(_path, mode="r+")

    def rows_of(array, first):
        for _row in range(first, len(_temperature), 24):
            array[_row : _row + 12] = _temperature[_row : _row + 12]

    with ThreadPoolExecutor(2) as _pool:
        list(_pool.map(rows_of, (_ours, _theirs), (0, 12)))
    show.check(
        "two libraries wrote one array concurrently",
        np.array_equal(exzarr.open_array(_path, mode="r")[...], _temperature, equal_nan=True),
    )
    show.check(
        "zarr-python reads the same values", np.array_equal(_theirs[...], _temperature, equal_nan=True)
    )
    show.results(chunk_rows=len(_temperature) // 12)
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Compare the content of two copies

    To verify a copy, compare the content and not the files: files differ with every codec and library.
    `exzarr.checksum` computes a digest of shape, data type, values and attributes. The digest does not depend on chunks,
    codecs, the Zarr version or the library that wrote the array.
    """)
    return


@app.cell
def same_content(arrays, exzarr, show, work):
    _names = {
        "exzarr, v3": work / "buoy-v3.zarr/temperature",
        "exzarr, v2": work / "buoy-v2.zarr/temperature",
        "zarr-python, v2, chunks of 17 × 5": work / "by-zarr-2-17.zarr",
        "zarr-python, v3, shards": work / "by-zarr-sharded.zarr",
        "TensorStore, v3": work / "by-tensorstore-zarr3.zarr",
    }
    _digests = {_name: exzarr.checksum(_path).hexdigest for _name, _path in _names.items()}
    _damaged = arrays["temperature"].copy()
    _damaged[100, 3] += 0.001
    _other = exzarr.checksum(exzarr.create_array(data=_damaged)).hexdigest
    show.check("five stores have the same digest", len(set(_digests.values())) == 1)
    show.check("a change of a thousandth of a degree changes the digest", _other not in _digests.values())
    show.results(stores=len(_digests))
    show.table({"store": _name, "digest": _digest[:24] + "…"} for _name, _digest in _digests.items())
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Performance and operations

    Libraries that read the same format differ in speed. Each Python library reads the same array in two layouts. They
    take turns. The times are medians, with the files already in memory.
    """)
    return


@app.cell
def speed(exzarr, np, peers, show, size, style, time, work):
    _values = (
        np.random.default_rng(8).normal(10, 3, size((512, 512), full=(4096, 4096))).astype("f4").round(1)
    )
    _root = exzarr.create_group(work / "speed.zarr", overwrite=True)
    for _name, _chunks in {"large": (256, 256), "small": (32, 32)}.items():
        _root.create_array(_name, data=_values, chunks=_chunks)

    def by_exzarr(folder, name):
        return exzarr.open_group(folder, mode="r")[name][...]

    _readers = {"exzarr": by_exzarr, "TensorStore": peers.tensorstore, "zarr-python": peers.zarr_python}
    _others = []
    took = {(_name, _who): [] for _name in ("large", "small") for _who in _readers}
    for _ in range(5):
        for (_name, _who), _times in took.items():
            _started = time.perf_counter()
            _read = _readers[_who](work / "speed.zarr", _name)
            _times.append(1e3 * (time.perf_counter() - _started))
            if not np.array_equal(_read, _values):
                _others.append((_name, _who))
    medians = {key: float(np.median(times)) for key, times in took.items()}

    _fig, _axes = style.new_figure(7.6, 2.6, grid="x")
    for _k, _who in enumerate(_readers):
        _axes.barh(
            [0.27 * _k, 1.2 + 0.27 * _k],
            [medians["large", _who], medians["small", _who]],
            0.24,
            label=_who,
            color=style.COLOURS[_k],
        )
    _axes.set_yticks([0.27, 1.47], ["chunks of 256 × 256", "chunks of 32 × 32"])
    _axes.set_xlabel("milliseconds for the whole array, opening included")
    _axes.invert_yaxis()
    _axes.legend()
    style.title(_axes, "One array, three readers")
    show.check("every timed read returned the written values", _others == [])
    show.measured(**{f"ms_{n}_{w.replace('-', '_').lower()}": ms for (n, w), ms in medians.items()})
    show.figure(
        "speed", _fig, alt="Bars: for each library, the time to read an array in large and in small chunks."
    )
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    Summary:

    - **Portable everywhere:** integers, floats and booleans; regular chunks; zstd, gzip and Blosc; one level of
      shards in v3; ASCII names. Python libraries also exchange strings and dates. Records are hardly portable.
    - **Choose chunk sizes for the readers.** A browser fetches each chunk over the network: keep inner
      chunks near 1 MB or below, and use shards to keep the number of objects small.
    - **Balance throughput and latency.** Another byte order or memory order costs nothing on small reads, and one pass
      over memory on large ones. Write native byte order, in the order in which the data are read.
    - **Monitor the exchange.** After each release, read a sample with another library. Compare `exzarr.checksum`
      at both ends of a transfer. Run `exzarr check --deep` on data that you receive.
    """)
    return


@app.cell
def monitor(exzarr, show, work):
    _reports = [exzarr.check(work / f"buoy-v{_version}.zarr", deep=True) for _version in (2, 3)]
    show.check("a deep check finds nothing wrong", all(len(_report.findings) == 0 for _report in _reports))
    print(_reports[1])
    return


if __name__ == "__main__":
    app.run()

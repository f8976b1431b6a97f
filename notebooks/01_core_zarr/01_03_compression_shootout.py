import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="The compression shoot-out")


@app.cell(hide_code=True)
def header(mo):
    mo.md(r"""
    # The compression shoot-out

    Compare codecs, shuffles and filters on four kinds of data: which is the smallest, which is the fastest, and when
    no compression is best.

    - **Goal.** Choose the codec and the filters for your data and for the place where you store it, and state the
      error of a lossy filter.
    - **Data.** Mean air temperatures of North America from a climate model (Met Office, package `iris-sample-data`);
      prices, a counter and noise, generated from a seed.
    - **Licence.** UK Open Government Licence for the temperatures; none is needed for the rest.
    - **Run time.** About 9 s on two cores.
    - **Try next.** Run `exzarr lab codecs PATH` on your own array. Move the bandwidth until another codec wins.
    """)
    return


@app.cell
def imports():
    import time

    import h5netcdf
    import iris_sample_data
    import marimo as mo
    import numpy as np

    import exzarr
    from exzarr.gallery import show, style
    from exzarr.gallery.workspace import Workspace, size
    from exzarr.lab.codec_report import seconds_per_byte

    style.use()
    return (
        Workspace,
        exzarr,
        h5netcdf,
        iris_sample_data,
        mo,
        np,
        seconds_per_byte,
        show,
        size,
        style,
        time,
    )


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Four kinds of data

    A compressor finds repetitions, so your data decide how much it can save. The comparison uses four kinds of data
    that behave differently. *Temperatures* come from a climate model (float32). *Prices* are a random walk in steps
    of a few cents (int32). A *counter* rises like time stamps (int64). *Noise* is random bytes, and encrypted or
    compressed data look the same.
    """)
    return


@app.cell
def load(h5netcdf, iris_sample_data, np, show, size):
    with h5netcdf.File(f"{iris_sample_data.path}/A1B_north_america.nc") as _file:
        air = _file.variables["air_temperature"][...]
    _n = size(500_000, full=5_000_000)
    _rng = np.random.default_rng(11)
    kinds = {
        "temperatures": air,
        "prices": (10_000 + np.cumsum(_rng.integers(-3, 4, _n))).astype("i4"),
        "counter": np.cumsum(_rng.integers(900, 1100, _n)).astype("i8"),
        "noise": _rng.integers(0, 256, 2 * _n).astype("u1"),
    }
    show.results(years=air.shape[0], air_mb=air.nbytes / 1e6, price_steps=_n)
    return air, kinds


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Why shuffling works

    Neighbouring temperatures differ little, but a compressor sees bytes and not numbers. A float32 has four bytes:
    sign and exponent, then three bytes of mantissa. The first byte hardly ever changes, and the last two look like
    noise. In memory the four bytes alternate, so equal bytes are rarely neighbours. *Shuffling* stores all first
    bytes together, then all second bytes, and so on. This alone saves nothing, but similar bytes are now neighbours.

    The picture shows how many bits of information each of the four bytes carries (its entropy), computed with NumPy.
    """)
    return


@app.cell
def byte_planes(air, np, show, style):
    import zlib

    planes = air.reshape(-1).view("u1").reshape(-1, 4)[:, ::-1]  # the most significant byte first

    def entropy(values):
        share = np.bincount(values, minlength=256) / values.size
        share = share[share > 0]
        return float(abs((share * np.log2(share)).sum()))

    bits = [entropy(plane) for plane in planes.T]
    plain = len(zlib.compress(air.tobytes(), 6))
    shuffled = len(zlib.compress(np.ascontiguousarray(planes.T).tobytes(), 6))

    _fig, _axes = style.new_figure(6.0, 2.9)
    _axes.bar(range(4), bits, 0.6)
    _axes.axhline(8, color=style.GREY, linewidth=1)
    _axes.set_xticks(range(4), ["sign, exponent", "mantissa, high", "mantissa, middle", "mantissa, low"])
    _axes.set(ylabel="bits of information", ylim=(0, 8.6))
    style.title(_axes, "Four bytes of a temperature", "of 8 bits each")
    show.check("the first byte carries almost no information", bits[0] < 0.5)
    show.check("the last byte cannot be compressed", bits[3] > 7.5)
    show.check("zlib compresses shuffled bytes better", shuffled < 0.9 * plain)
    show.results(bits_first=bits[0], bits_last=bits[3])
    show.measured(zlib_plain=air.nbytes / plain, zlib_shuffled=air.nbytes / shuffled)
    show.figure(
        "byte-planes",
        _fig,
        alt="Bars: the first byte of a float32 has hardly any information, the last all 8 bits.",
    )
    return (zlib,)


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Filters know more than compressors

    A counter grows by about a thousand each time. No byte pattern repeats, so a compressor finds little, but the
    *differences* are small. A `delta` filter stores the differences. It is exact for integers. For floats it is not
    exact, because adding differences rounds.
    """)
    return


@app.cell
def filters(exzarr, kinds, np, show, style):
    _zstd = {"name": "zstd", "configuration": {"level": 3, "checksum": True}}

    def chains(data):
        delta = {"name": "numcodecs.delta", "configuration": {"dtype": data.dtype.str}}
        shuffle = {"name": "numcodecs.shuffle", "configuration": {"elementsize": data.dtype.itemsize}}
        return {
            "zstd": {"compressors": _zstd},
            "shuffle + zstd": {"compressors": [shuffle, _zstd]},
            "delta + zstd": {"filters": [delta], "compressors": _zstd},
            "delta + shuffle + zstd": {"filters": [delta], "compressors": [shuffle, _zstd]},
        }

    ratios = {}
    for _kind in ("prices", "counter"):
        for _name, _options in chains(kinds[_kind]).items():
            _array = exzarr.create_array(exzarr.MemoryStore(), data=kinds[_kind], chunks=125_000, **_options)
            show.check(
                f"{_kind}, {_name}: the decoded values equal the input",
                np.array_equal(_array[...], kinds[_kind]),
            )
            ratios[_kind, _name] = _array.nbytes / _array.nbytes_stored

    _fig, _axes = style.new_figure(7.0, 3.0)
    _names = [*chains(kinds["prices"])]
    for _k, _kind in enumerate(("prices", "counter")):
        _axes.bar(np.arange(4) + 0.36 * _k - 0.18, [ratios[_kind, n] for n in _names], 0.34, label=_kind)
    _axes.set_xticks(range(4), _names)
    _axes.set_ylabel("times smaller")
    _axes.legend()
    style.title(_axes, "The same compressor behind four filters")
    show.check(
        "differences compress better for both kinds of data",
        ratios["prices", "delta + zstd"] > 1.2 * ratios["prices", "zstd"]
        and ratios["counter", "delta + shuffle + zstd"] > 1.2 * ratios["counter", "zstd"],
    )
    show.measured(
        counter_zstd=ratios["counter", "zstd"], counter_delta=ratios["counter", "delta + zstd"],
        counter_both=ratios["counter", "delta + shuffle + zstd"], prices_zstd=ratios["prices", "zstd"],
        prices_delta=ratios["prices", "delta + zstd"],
    )  # fmt: skip
    show.figure(
        "filters",
        _fig,
        alt="Bars: a counter compresses much better with delta, shuffle and zstd together than with zstd alone.",
    )
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## The comparison

    `exzarr.lab.codecs` tries codec chains on chunks of an array. It encodes and decodes them with one thread and with
    all threads, compares the output with the input, and measures the time. It tries slow chains on fewer chunks, so
    that the run stays within its `seconds`. Choose a kind of data. The blue dots are the *Pareto front*: no other
    codec beats them in both size and speed.
    """)
    return


@app.cell
def shoot(exzarr, kinds, show):
    reports = {
        kind: exzarr.lab.codecs(data, effort="quick", seconds=1.2, sample_bytes=2**21)
        for kind, data in kinds.items()
    }
    for _kind, _report in reports.items():
        show.check(
            f"{_kind}: every chain restored its input",
            not [r for _, r in _report.left_out if "gives back" in r],
        )
    show.check(
        "no compression is best for noise", {t.label for t in reports["noise"].best.values()} == {"none"}
    )
    show.check("the counter compresses well", reports["counter"].best["archive"].ratio > 1.5)
    _air = reports["temperatures"]
    show.measured(
        air_disk=_air.best["local disk"].label, air_objects=_air.best["object store"].label,
        air_archive=_air.best["archive"].label, air_archive_ratio=_air.best["archive"].ratio,
        air_default_ratio=_air.trial("zstd 3").ratio, threads=_air.threads,
    )  # fmt: skip
    return (reports,)


@app.cell
def choose(mo, reports):
    kind = mo.ui.dropdown([*reports], value="temperatures", label="kind of data")
    bandwidth = mo.ui.slider(
        steps=[10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000],
        value=500,
        label="bandwidth, MB/s",
        show_value=True,
    )
    mo.hstack([kind, bandwidth], justify="start")
    return bandwidth, kind


@app.cell
def front(kind, reports, show, style):
    _trials = reports[kind.value].trials
    _fig, _axes = style.new_figure(7.2, 3.8, grid="both")
    for _trial in _trials:
        _colour = style.RED if _trial.label == "none" else style.BLUE if _trial.pareto else style.GREY
        _axes.scatter(
            _trial.decode_all / 1e6, _trial.ratio, color=_colour, s=70 if _trial.pareto else 30, zorder=3
        )
        _axes.annotate(
            _trial.label,
            (_trial.decode_all / 1e6, _trial.ratio),
            xytext=(6, 4),
            textcoords="offset points",
            fontsize=7.5,
        )
    _axes.set(xscale="log", xlabel="decoding, MB/s with all threads", ylabel="times smaller")
    _axes.margins(x=0.2)
    style.title(_axes, f"{kind.value}: small or fast", "blue: beaten by none")
    show.figure(
        "front",
        _fig,
        alt="Codecs as dots: how many times smaller they make the data against how fast they decode.",
    )
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## When no compression is best

    A read has two parts: the bytes have to arrive, and they have to be decoded. Compression shortens the first part
    and adds the second. The *bandwidth* of the storage decides which part matters more. Move the slider. On a slow
    connection the smallest codec is the fastest. From memory, uncompressed data are the fastest.
    """)
    return


@app.cell
def seconds_at_bandwidth(bandwidth, kind, np, reports, seconds_per_byte, show, style):
    from exzarr.lab import Destination

    place = Destination("here", bandwidth.value * 1e6, reads=1e9)
    _trials = sorted(reports[kind.value].trials, key=lambda trial: seconds_per_byte(trial, place))
    _moving = [1e3 / (trial.ratio * place.bandwidth) * 1e6 for trial in _trials]
    _decoding = [1e3 / trial.decode_all * 1e6 for trial in _trials]

    _fig, _axes = style.new_figure(7.2, 3.2, grid="x")
    _at = np.arange(len(_trials))
    _axes.barh(_at, _moving, 0.6, color=style.BLUE, label="bytes coming")
    _axes.barh(_at, _decoding, 0.6, left=_moving, color=style.ORANGE, label="decoding")
    _axes.set_yticks(_at, [trial.label for trial in _trials])
    _axes.invert_yaxis()
    _axes.set_xlabel("ms to read a megabyte of data")
    _fig.legend(*_axes.get_legend_handles_labels(), loc="outside lower center", ncols=2, fontsize=8)
    style.title(_axes, f"At {bandwidth.value:,} MB/s: {_trials[0].label}", kind.value)
    show.figure(
        "bandwidth",
        _fig,
        alt="Bars of two parts for each codec, bytes coming and decoding; the shortest bar wins.",
    )
    return


@app.cell
def crossing(np, reports, seconds_per_byte, show):
    from exzarr.lab import Destination as _To

    def fastest(kind, bandwidth):
        place = _To("there", bandwidth, reads=1e9)
        return min(reports[kind].trials, key=lambda trial: seconds_per_byte(trial, place))

    _slow = fastest("temperatures", 1e4)
    show.check(
        "on a very slow connection the smallest codec is the fastest",
        np.isclose(_slow.ratio, max(t.ratio for t in reports["temperatures"].trials), rtol=0.02),
    )
    _bands = np.geomspace(1e7, 1e11, 200)
    _none = [b for b in _bands if fastest("temperatures", b).label == "none"]
    show.measured(none_from_mb=min(_none) / 1e6 if _none else 0.0)
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Store fewer bits, with a known error

    A temperature from a model has 23 bits of mantissa, and perhaps ten of them are significant. `bitround` keeps as
    many bits as you set and replaces the others with zeros, which compress very well. The largest relative error is
    then half of the last bit that it keeps: $2^{-(k+1)}$. You cannot undo rounding, so only you can decide about it.
    """)
    return


@app.cell
def lossy(air, exzarr, np, show, style):
    keep = [4, 7, 10, 13, 16, 23]
    size_of, errors = [], []
    for _bits in keep:
        _array = exzarr.create_array(
            exzarr.MemoryStore(),
            data=air,
            chunks=(40, 37, 49),
            filters={"name": "bitround", "configuration": {"keepbits": _bits}},
            compressors=exzarr.codecs.Blosc(cname="zstd", clevel=3, shuffle="bitshuffle"),
        )
        errors.append(float((np.abs(_array[...].astype("f8") - air) / air).max()))
        size_of.append(_array.nbytes / _array.nbytes_stored)
        show.check(f"{_bits} bits: the error is within the bound", errors[-1] <= 2.0 ** -(_bits + 1))

    _fig, _axes = style.new_figure(6.4, 3.2, grid="both")
    _axes.plot(np.maximum(errors, 1e-8)[:-1], size_of[:-1], "o-")
    for _bits, _error, _size in zip(keep[:-1], errors, size_of, strict=False):
        _axes.annotate(
            f"{_bits} bits", (_error, _size), xytext=(-6, 6), textcoords="offset points", ha="right"
        )
    _axes.axhline(size_of[-1], color=style.GREY, linewidth=1)
    _axes.set(xscale="log", xlabel="largest relative error", ylabel="times smaller")
    style.title(_axes, "Accuracy for size", "grey: exact")
    show.check("23 bits are exact", errors[-1] == 0)
    show.check("fewer bits compress better", all(np.diff(size_of) < 0))
    show.results(error_10=errors[2], kelvin_10=float(errors[2] * air.max()))
    show.measured(exact_ratio=size_of[-1], ratio_10=size_of[2], ratio_7=size_of[1])
    show.figure("lossy", _fig, alt="A line: the more error is allowed, the smaller the data become.")
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Use all cores with few chunks in memory

    Compression needs the processor, and chunks are independent. exzarr therefore compresses in several threads
    concurrently, without Python's global interpreter lock. But the whole array must not be in memory for this.
    `exzarr.copy` with other compressors moves an array through a bounded window: at most `memory` bytes of elements,
    whatever the size of the array.
    """)
    return


@app.cell
def reencode(Workspace, air, exzarr, np, show, time):
    work = Workspace("codecs")
    exzarr.create_array(work / "plain.zarr", data=air, chunks=(20, 37, 49), compressors=None, overwrite=True)
    sizes, took = {}, {}
    for _name, _codec in {
        "gzip": {"name": "gzip", "configuration": {"level": 6}},
        "blosc": exzarr.codecs.Blosc(cname="zstd", clevel=3, shuffle="shuffle"),
        "zstd": {"name": "zstd", "configuration": {"level": 3, "checksum": True}},
    }.items():
        _started = time.perf_counter()
        exzarr.copy(
            work / "plain.zarr",
            work / f"{_name}.zarr",
            compressors=_codec,
            memory=2**20,
            overwrite=True,
        )
        took[_name] = 1e3 * (time.perf_counter() - _started)
        sizes[_name] = work.bytes_on_disk(f"{_name}.zarr/c")
        show.check(
            f"{_name}: the copy equals the netCDF file",
            np.array_equal(exzarr.open(work / f"{_name}.zarr")[...], air),
        )
    show.check(
        "uncompressed chunks have the size of the array", work.bytes_on_disk("plain.zarr/c") == air.nbytes
    )
    show.table(
        [
            {"codec": name, "times smaller": round(air.nbytes / sizes[name], 2), "ms": round(took[name], 1)}
            for name in sizes
        ]
    )
    return sizes, work


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Interoperability: which libraries can read it

    A reader that lacks a codec cannot read the array. Nearly all Zarr v3 libraries read `gzip`, `zstd` and `blosc`. A
    stored chunk contains only the encoded bytes, so Python's own zlib opens a gzip chunk. zarr-python and few other
    libraries read the filters of numcodecs (`shuffle`, `delta`).
    """)
    return


@app.cell
def interoperability(air, exzarr, np, show, sizes, work, zlib):
    import tensorstore
    import zarr

    for _name in sizes:
        show.check(
            f"zarr-python reads {_name}",
            np.array_equal(zarr.open_array(work / f"{_name}.zarr", mode="r")[...], air),
        )
        _spec = {"driver": "zarr3", "kvstore": {"driver": "file", "path": str(work / f"{_name}.zarr")}}
        _read = tensorstore.open(_spec, read=True).result()[...].read().result()
        show.check(f"TensorStore reads {_name}", np.array_equal(_read, air))
    _first = zlib.decompress((work / "gzip.zarr/c/0/0/0").read_bytes(), wbits=31)
    show.check(
        "zlib alone decodes a gzip chunk", np.array_equal(np.frombuffer(_first, "f4"), air[:20].reshape(-1))
    )

    theirs = zarr.create_array(
        work / "theirs.zarr", data=air, chunks=(20, 37, 49), overwrite=True,
        compressors=zarr.codecs.BloscCodec(cname="lz4", clevel=5, shuffle="bitshuffle"),
    )  # fmt: skip
    show.check(
        "exzarr reads zarr-python's blosc",
        np.array_equal(exzarr.open(work / "theirs.zarr")[...], theirs[...]),
    )
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Performance and operations

    A codec without a checksum may not detect damage on the disk. What happens if a single bit of a stored chunk
    flips?
    """)
    return


@app.cell
def flipped_bits(air, exzarr, np, show, work):
    noticed = {}
    for _name, _codecs in {
        "none": None,
        "none + crc32c": ["crc32c"],
        "zstd with checksum": "zstd",
        "blosc lz4": exzarr.codecs.Blosc(cname="lz4", clevel=5, shuffle="shuffle"),
        "blosc lz4 + crc32c": [exzarr.codecs.Blosc(cname="lz4", clevel=5, shuffle="shuffle"), "crc32c"],
    }.items():
        _array = exzarr.create_array(
            work / "flip.zarr", data=air[:20], chunks=(20, 37, 49), compressors=_codecs, overwrite=True
        )
        _file = work / "flip.zarr/c/0/0/0"
        _good, _rng, _seen = _file.read_bytes(), np.random.default_rng(3), 0
        for _ in range(40):
            _bad = bytearray(_good)
            _bad[_rng.integers(len(_bad))] ^= 1 << int(_rng.integers(8))
            _file.write_bytes(_bad)
            try:
                _array[...]
            except exzarr.ChunkCorruptError:
                _seen += 1
        noticed[_name] = _seen
    show.check("without compression and checksum, no flip is detected", noticed["none"] == 0)
    show.check(
        "with a checksum, all flips are detected",
        noticed["none + crc32c"] == noticed["zstd with checksum"] == noticed["blosc lz4 + crc32c"] == 40,
    )
    show.results(flips=40, flips_none=noticed["none"], flips_zstd=noticed["zstd with checksum"])
    show.measured(flips_blosc=noticed["blosc lz4"])
    show.table([{"codecs": name, "noticed, of 40": count} for name, count in noticed.items()])
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    Conclusions:

    - **Size.** Shuffle floats and integers of more than one byte, and use differences for counters. Chunks of some
      hundred kilobytes compress about as well as large ones.
    - **Throughput or latency.** Near the data, use a codec that decodes fast, or none. Far from the data, use a codec
      with small output, because decoding continues while bytes arrive. Always include the bandwidth in the choice.
    - **What to monitor.** Watch the compression ratio (`exzarr info`): if it drifts, the data have changed. Watch the
      time of decoding (`exzarr.profile()`), and chunks that no longer decode (`exzarr check --deep`).
    - **Portability.** An archive is used longer than its software. Nearly all libraries read gzip, zstd and blosc.
    """)
    return


if __name__ == "__main__":
    app.run()

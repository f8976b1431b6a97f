import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="Tune arrays for object stores")


@app.cell(hide_code=True)
def header(mo):
    mo.md(r"""
    # Tune arrays for object stores

    Measure layouts, concurrency, coalescing, caches, retries and cost on an S3 server that this notebook starts.

    - **Goal.** Choose a layout for object stores, predict the requests, bytes and money of a read,
      and set the few numbers that matter: requests in flight, the gap, the cache, the retries.
    - **Data.** A cube of 32 days × 112 × 112 points, generated from seed 11.
    - **Licence.** None is needed: nothing is downloaded.
    - **Run time.** About 9 s on two cores.
    - **Try next.** Point `far` at your own bucket (`ObjectStore("s3://...")`) and compare.
    """)
    return


@app.cell
def imports():
    import time

    import marimo as mo
    import numpy as np

    import exzarr
    from exzarr.gallery import show, style
    from exzarr.gallery.s3_server import LocalS3
    from exzarr.gallery.terrain import terrain
    from exzarr.gallery.workspace import Workspace, size
    from exzarr import Retry
    from exzarr.stores import CachedStore, CountingStore, DiskCache, LatencyStore, RetryStore
    from exzarr.testing.faults import FaultPlan, FaultStore
    from exzarr import cost

    style.use()
    return (
        CachedStore, CountingStore, DiskCache, FaultPlan, FaultStore, LatencyStore, LocalS3, Retry, RetryStore,
        Workspace, cost, exzarr, mo, np, show, size, style, terrain, time,
    )  # fmt: skip


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## A bucket with latency

    An object store answers a request after 10 to 100 ms, however little data it returns, and charges for each request.
    The server below is real: it speaks S3 over HTTP, on this machine. One wrapper adds 30 ms to every request, about the
    latency of the next region. Another wrapper counts the requests.

    The cube is stored in three layouts: *small* chunks, each its own object; *large* chunks; and *shards*, which
    are as large as the large chunks and contain the small ones.
    """)
    return


@app.cell
def bucket(CountingStore, LatencyStore, LocalS3, exzarr, np, show, size, terrain):
    s3 = LocalS3()
    near = s3.store("climate")
    latency_ms = 30
    far = CountingStore(LatencyStore(near, latency_ms / 1e3))

    days, edge = size((32, 112), full=(192, 448))
    _ground = terrain((edge, edge), seed=11)
    cube = (_ground + 50 * np.sin(np.arange(days) / 7)[:, None, None]).round(1).astype("f4")
    layouts = {
        "small": {"chunks": (8, 16, 16)},
        "large": {"chunks": (8, edge, edge)},
        "shards": {"chunks": (8, 16, 16), "shards": (8, edge, edge)},
    }
    exzarr.create_group(near)
    for _name, _layout in layouts.items():
        exzarr.create_array(near, name=_name, data=cube, **_layout)
    exzarr.consolidate_metadata(near)

    far.reset()
    root = exzarr.open_group(far, mode="r")
    arrays = {name: root[name] for name in layouts}
    opening = dict(far.requests)
    show.check("one request opens three arrays", opening == {"get": 1})
    show.results(
        latency_ms=latency_ms,
        days=days,
        edge=edge,
        small_objects=arrays["small"].nchunks,
        large_objects=arrays["large"].nchunks,
    )
    return arrays, cube, days, edge, far, layouts, near, s3


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Predict the cost of a read

    `explain` plans a read without fetching data. There are three reads: the *map* of one day, the *series* of one point
    over all days, and *all* of the cube. For each layout, compare the requests, the bytes, and the cost of a million reads
    at typical list prices.
    """)
    return


@app.cell
def reads(arrays, cost, cube, days, edge, exzarr, far, np, show):
    selections = {
        "map": (days // 2,),
        "series": (slice(None), edge // 2, edge // 3),
        "all": (slice(None),),
    }
    plans, happened = {}, {}
    for _name in arrays:
        for _read, _selection in selections.items():
            _array = exzarr.open_group(far, mode="r")[_name]
            plans[_name, _read] = _array.explain[_selection]
            far.reset()
            _values = _array[_selection]
            happened[_name, _read] = far.total
            show.check(f"{_read} of {_name} equals NumPy's", np.array_equal(_values, cube[_selection]))
    show.check(
        "explain predicts the number of requests",
        all(plan.requests == happened[key] for key, plan in plans.items()),
    )
    millions = {key: 1e6 * cost.of(plan, "s3").total for key, plan in plans.items()}
    show.results(**{f"requests_{n}_{r}": plan.requests for (n, r), plan in plans.items()})
    show.measured(
        **{f"kb_{n}_{r}": plan.fetch_bytes / 1e3 for (n, r), plan in plans.items()},
        **{f"usd_{n}_{r}": usd for (n, r), usd in millions.items()},
        prices=str(cost.prices("s3")),
    )
    return millions, plans, selections


@app.cell
def layouts_picture(layouts, np, plans, selections, show, style):
    _fig, _axes = style.new_figure(7.6, 3.0, columns=2)
    for _k, _name in enumerate(layouts):
        _at = np.arange(len(selections)) + 0.26 * (_k - 1)
        _axes[0].bar(_at, [plans[_name, _r].requests for _r in selections], 0.24, label=_name)
        _axes[1].bar(_at, [plans[_name, _r].fetch_bytes / 1e3 for _r in selections], 0.24, label=_name)
    for _one, _title in zip(_axes, ("Requests", "Kilobytes fetched"), strict=True):
        _one.set_xticks(range(len(selections)), list(selections))
        _one.set_yscale("log")
        style.title(_one, _title)
    _axes[0].legend(fontsize=8)
    show.figure(
        "layouts",
        _fig,
        alt="Bars: small chunks need many requests, large ones many bytes; shards need few of either.",
    )
    return


@app.cell
def layouts_table(layouts, millions, plans, selections, show):
    show.table(
        {
            "layout": _name,
            "read": _read,
            "requests": plans[_name, _read].requests,
            "kB": round(plans[_name, _read].fetch_bytes / 1e3, 1),
            "USD a million": round(millions[_name, _read], 2),
        }
        for _name in layouts
        for _read in selections
    )
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    Small chunks are expensive in requests, large ones in bytes. Shards allow small reads without many objects:
    they need one request for the shard's index, once, and one for each range of inner chunks in the selection.

    ## Send requests concurrently

    A request that waits needs no processor, so many should be in flight. exzarr keeps up to 64 in flight in the
    whole process, on threads that only wait. As few threads as there are cores decode the data that arrive. Here the
    cube in small chunks is read with 1 to 64 requests in flight.
    """)
    return


@app.cell
def in_flight(arrays, cube, exzarr, far, np, show, style, time):
    budgets = (1, 4, 16, 64)
    _part = (slice(0, 8),)
    _requests = arrays["small"].explain[_part].requests
    seconds = {}
    for _budget in budgets:
        with exzarr.config.override(requests=_budget):
            _started = time.perf_counter()
            _values = exzarr.open_group(far, mode="r")["small"][_part]
            seconds[_budget] = time.perf_counter() - _started
        show.check(f"{_budget} in flight: the same values", np.array_equal(_values, cube[_part]))

    _fig, _axes = style.new_figure(7.6, 3.0)
    _axes.plot(budgets, [_requests / seconds[_b] for _b in budgets], "o-", label="measured")
    _axes.plot(budgets, [_b / 0.03 for _b in budgets], "--", color=style.GREY, label="in flight ÷ 30 ms")
    _axes.set_xscale("log", base=2)
    _axes.set_yscale("log", base=2)
    _axes.set_xticks(budgets, [str(_b) for _b in budgets])
    _axes.set_xlabel("requests in flight")
    _axes.set_ylabel("requests in a second")
    _axes.legend()
    style.title(_axes, "Waiting together", "until the server, on two cores, can do no more")
    show.results(flight_requests=_requests)
    show.measured(**{f"seconds_{_b}": seconds[_b] for _b in budgets}, speedup=seconds[1] / seconds[64])
    show.figure(
        "in-flight",
        _fig,
        alt="Requests per second grow with requests in flight, along the ideal line, until the server is busy.",
    )
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Coalescing: join neighbouring requests

    The inner chunks of a selection are scattered in a shard. A request for each one makes many requests. One request for
    everything from the first to the last also fetches the bytes between. exzarr joins ranges that are no
    further apart than the *gap* (512 KiB by default: a connection transfers about as much in 30 ms).
    The cell reads three columns of the grid of inner chunks, one and three chunks apart, with increasing gaps. Move the
    gap, the latency and the bandwidth.
    """)
    return


@app.cell
def gap_controls(mo):
    gap = mo.ui.slider(0, 30, step=2, value=8, label="gap, kB")
    latency = mo.ui.slider(5, 100, step=5, value=30, label="latency, ms")
    bandwidth = mo.ui.slider(1, 100, step=1, value=10, label="bandwidth of a request, MB/s")
    mo.hstack([gap, latency, bandwidth], justify="start")
    return bandwidth, gap, latency


@app.cell
def coalescing(arrays, bandwidth, cube, exzarr, gap, latency, np, show, style):
    _columns = np.array([2, 34, 98])
    _array = arrays["shards"]
    _wanted = (slice(0, 8), slice(None), _columns)
    show.check("the columns equal NumPy's", np.array_equal(_array.oindex[_wanted], cube[:8][:, :, _columns]))

    requests_at, kb_at = {}, {}
    for _gap in range(0, 31, 2):
        with exzarr.config.override(remote_gap=1000 * _gap):
            _plan = _array.explain.oindex(*_wanted)
        requests_at[_gap], kb_at[_gap] = _plan.requests, _plan.fetch_bytes / 1e3
    _one_after_the_other = {
        g: requests_at[g] * latency.value + kb_at[g] / bandwidth.value for g in requests_at
    }
    show.check(
        "a wider gap never makes more requests, nor fewer bytes",
        bool((np.diff([*requests_at.values()]) <= 0).all() and (np.diff([*kb_at.values()]) >= 0).all()),
    )

    _fig, _axes = style.new_figure(7.6, 2.8, columns=3)
    _lines = (
        ("Requests", requests_at),
        ("Kilobytes", kb_at),
        ("ms, one at a time", _one_after_the_other),
    )
    for _one, (_title, _values) in zip(_axes, _lines, strict=True):
        _one.step([*_values], [*_values.values()], where="post")
        _one.plot(gap.value, _values[gap.value], "o", color=style.ORANGE)
        _one.set_ylim(0)
        _one.set_xlabel("gap, kB")
        style.title(_one, _title)
    show.results(gap_none=requests_at[0], gap_all=requests_at[30])
    show.measured(gap_none_kb=kb_at[0], gap_all_kb=kb_at[30])
    show.figure(
        "coalescing",
        _fig,
        alt="Steps: with a wider gap requests become fewer and bytes more; the time falls and may rise again.",
    )
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Caches

    A cache avoids repeated requests for the same data. `MemoryCache` lasts as long as the process; `DiskCache` survives a
    restart. Both have a limit in bytes. A wrapper adds a cache to any store.
    """)
    return


@app.cell
def caching(CachedStore, DiskCache, Workspace, cube, days, exzarr, far, np, selections, show):
    _work = Workspace("cache")

    def read_everything():
        far.reset()
        _store = CachedStore(far, DiskCache(_work / "cache", 64 << 20), max_age=None)
        _values = exzarr.open_group(_store, mode="r")["shards"][...]
        return far.total, np.array_equal(_values, cube)

    _first, _right = read_everything()
    _second, _right_again = read_everything()
    show.check("the first read makes requests and is correct", _first > 0 and _right)
    show.check(
        "the second read, as after a restart, makes no request and is correct", _second == 0 and _right_again
    )
    show.results(cache_first=_first, cache_second=_second)
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## When the store fails

    Stores throttle, reset connections, and lose answers to requests that they have carried out. With ten
    million objects you see each of these every day. The next store fails one request in five, according to a plan from a
    seed. In about half of the failures, it has already carried out the request. Without retries the first read raises an error.
    With retries, all values are correct.
    """)
    return


@app.cell
def failing(FaultPlan, FaultStore, Retry, RetryStore, cube, exzarr, near, np, s3, show):
    from exzarr.errors import StoreError

    _plan = FaultPlan.seeded(11, rate=0.2, what=("fail", "lose"))
    _faulty = FaultStore(s3.store("faulty"), _plan)
    _patient = RetryStore(_faulty, Retry(attempts=10, wait_initial=0.001, wait_jitter=0.002))
    exzarr.create_array(_patient, data=cube, chunks=(8, 64, 64))
    _values = exzarr.open_array(_patient, mode="r")[...]
    show.check("with retries, no value is lost", np.array_equal(_values, cube))
    show.check("requests failed", len(_faulty.happened) > 10)

    try:
        exzarr.open_group(FaultStore(near, _plan), mode="r")["small"][...]
        error = None
    except StoreError as _error:
        error = _error
    show.check("without retries, the read raises an error", error is not None)
    show.measured(faulty_requests=_faulty.requests, faults=len(_faulty.happened))
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Interoperability: zarr-python reads the bucket

    The bucket contains standard Zarr only. zarr-python opens it with its own client over HTTP.
    """)
    return


@app.cell
def interoperability(cube, near, np, s3, show):
    import zarr
    from obstore.store import S3Store

    _bucket, _prefix = near.url.removeprefix("s3://").split("/", 1)
    _options = s3.options
    _client = S3Store(
        _bucket,
        prefix=_prefix,
        endpoint=_options.endpoint,
        region=_options.region,
        access_key_id=_options.access_key_id,
        secret_access_key=_options.secret_access_key,
        client_options={"allow_http": True},
    )
    _theirs = zarr.open_group(zarr.storage.ObjectStore(_client, read_only=True), mode="r")
    for _name in ("small", "large", "shards"):
        show.check(f"zarr-python reads {_name}", np.array_equal(_theirs[_name][...], cube))
    show.results(values_compared=3 * cube.size)
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Performance and operations

    The times of all reads in the three layouts, with a latency of 30 ms. Each read opens the array again; the better of
    two counts.
    """)
    return


@app.cell
def clock(exzarr, far, layouts, np, selections, show, style, time):
    took = {}
    for _ in range(2):
        for _name in layouts:
            for _read, _selection in selections.items():
                _array = exzarr.open_group(far, mode="r")[_name]
                _started = time.perf_counter()
                _array[_selection]
                took.setdefault((_name, _read), []).append(1e3 * (time.perf_counter() - _started))
    milliseconds = {key: min(times) for key, times in took.items()}

    _fig, _axes = style.new_figure(7.6, 2.8)
    for _k, _name in enumerate(layouts):
        _axes.bar(
            np.arange(3) + 0.26 * (_k - 1), [milliseconds[_name, _r] for _r in selections], 0.24, label=_name
        )
    _axes.axhline(30, color=style.GREY, linewidth=1, linestyle="--")
    _axes.set_xticks(range(3), list(selections))
    _axes.set_ylabel("milliseconds")
    _axes.legend()
    style.title(_axes, "How long it takes", "dashed: one request")
    show.measured(**{f"ms_{n}_{r}": ms for (n, r), ms in milliseconds.items()})
    show.figure(
        "clock", _fig, alt="Bars: milliseconds of each read in each layout, beside the time of one request."
    )
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    Summary:

    - **Objects of 5 to 50 MB, chunks of 100 kB to 1 MB.** Large objects keep the number of requests small. Small chunks
      keep the number of unnecessary bytes small. Shards give you both.
    - **Throughput and latency.** More requests in flight increase the throughput, until the store throttles or your
      network is full. Latency decreases only with fewer requests *one after another*: consolidate, cache, coalesce.
    - **What to monitor.** Requests per gigabyte, bytes fetched per byte requested, retries, cache hits, and the time per
      request. `exzarr.profile()` reports all of them, and `exzarr.cost` converts them to money.
    """)
    return


@app.cell
def monitor(cost, days, exzarr, far, show):
    with exzarr.profile() as report:
        exzarr.open_group(far, mode="r")["shards"][days // 3]
    far.reset()
    exzarr.open_group(far, mode="r")["shards"][days // 3]
    _asked = sum([_use.requests for _use in report.requests.values()])
    show.check("the profile counts all requests", _asked == far.total)
    show.check("the requests have a price", cost.of(report, "s3").total > 0)
    print(cost.of(report, "s3"))
    return


if __name__ == "__main__":
    app.run()

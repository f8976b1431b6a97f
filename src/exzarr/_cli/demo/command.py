"""The ``exzarr demo`` command: runs the steps in order."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from exzarr._cli.failures import DIFFERENT
from exzarr._cli.output import print_json

if TYPE_CHECKING:
    from exzarr._cli.demo.climate import MonthlyMeans
    from exzarr._cli.demo.figure import Picture
    from exzarr._cli.demo.story import Story
    from exzarr._nodes.array import Array
    from exzarr._nodes.group import Group
    from exzarr.telemetry import Report

__all__ = ["register", "run"]

STORE, PICTURE = "climate.zarr", "map.png"
PERIODS = ((1861, 1890), (2070, 2099))


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("demo")(demo)


def demo(
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FOLDER", help="The output folder.")
    ] = Path("exzarr-demo"),
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
) -> None:
    """Run the main features of exzarr in ten seconds, on real climate data.

    The demo writes two netCDF files as one Zarr hierarchy, opens it, reads a window and computes chunk by chunk. It
    compares every value with zarr-python, draws a map, and prints a profile. It succeeds only if all values are equal.
    """
    from exzarr._cli.demo.story import Story

    result = run(output, Story(quiet=as_json))
    if as_json:
        print_json(asdict(result))
    if not result.held:
        raise typer.Exit(DIFFERENT)


@dataclass(frozen=True)
class Result:
    """Results of the demo.

    Attributes
    ----------
    store, picture
        Their paths.
    arrays, bytes_data, bytes_stored
        Number of arrays written, and their bytes in memory and in the store.
    write_seconds, read_seconds
        Time to write and to read all values with exzarr.
    values, different
        Number of values compared with zarr-python, and number of different values.
    held
        Whether everything is equal, including attributes and dimension names.
    zarr_python
        Version of zarr-python.
    phases
        Thread seconds of reading and writing with exzarr, by phase.
    """

    store: str
    picture: str
    arrays: int
    bytes_data: int
    bytes_stored: int
    write_seconds: float
    read_seconds: float
    values: int
    different: int
    held: bool
    zarr_python: str
    phases: dict[str, dict[str, float]]


def run(output: Path, story: Story) -> Result:
    """Run all steps. The results are written to the folder `output`."""
    import exzarr

    with exzarr.profile() as report:
        return _steps(output, story, report)


def _steps(output: Path, story: Story, report: Report) -> Result:
    import exzarr
    from exzarr._cli.demo import check, climate, data, figure, hierarchy
    from exzarr._cli.tree import tree_rows

    folder = output.expanduser().resolve()
    store, picture = folder / STORE, folder / PICTURE
    sources = data.read_sources()
    story.begin(sources)

    folder.mkdir(parents=True, exist_ok=True)
    root = hierarchy.new_root(store)
    write_seconds = sum([hierarchy.write_source(root, source) for source in sources])
    exzarr.consolidate_metadata(root)
    rows = tree_rows(str(store))
    story.written(store, rows)

    root = exzarr.open_group(store, mode="r+")
    sst, air = _arrays(root, f"ocean/{data.SST}", f"north_america/{data.AIR}")
    time_, longitude = _arrays(root, "ocean/time", "ocean/longitude")
    months = climate.months_of(time_[...])
    window = climate.window_of(months, longitude[...], "2009-12", "2010-02")
    story.window(window, sst.explain[window], np.ma.masked_equal(sst[window], sst.fill_value), sst)

    means = climate.monthly_means(sst, months, progress=story.streaming(sst))
    mean_array = climate.write_monthly_means(root, sst, means)
    year = _usual_year(means, sst, window)
    usual = (year[11] + year[0] + year[1]) / 3
    story.means(
        sst,
        means,
        year,
        float(np.ma.masked_equal(sst[window], sst.fill_value).mean(dtype="f8")) - climate.KELVIN - usual,
    )

    read_seconds = _read_all(root)
    version, comparisons = check.compare(store, sources, mean_array.path)
    story.compared(version, comparisons)

    figure.draw(_picture(root, sst, air, months, means), picture)
    held = all(comparison.held for comparison in comparisons)
    story.profiled(report)
    story.end(folder, store, picture, held=held)
    rows = tree_rows(str(store))
    arrays = [row for row in rows if row["node_type"] == "array"]
    return Result(
        store=str(store),
        picture=str(picture),
        arrays=len(arrays),
        bytes_data=sum(row["nbytes"] for row in arrays),
        bytes_stored=sum(row["nbytes_stored"] for row in arrays),
        write_seconds=round(write_seconds, 6),
        read_seconds=round(read_seconds, 6),
        values=sum(comparison.values for comparison in comparisons),
        different=sum(comparison.different for comparison in comparisons),
        held=held,
        zarr_python=version,
        phases=report.phases,
    )


def _read_all(root: Group) -> float:
    """Read every array, and return the time in seconds."""
    from exzarr._nodes.array import Array

    started = time.perf_counter()
    for _, node in root.walk():
        if isinstance(node, Array):
            np.asarray(node[...])
    return time.perf_counter() - started


def _usual_year(means: MonthlyMeans, sst: Any, window: tuple[slice, ...]) -> list[float]:
    """Return the mean temperature of each month in the Niño 3.4 region, in °C, January to December."""
    from exzarr._cli.demo.climate import KELVIN

    region = means.values[(slice(None), *window[1:])]
    masked = np.ma.masked_equal(region, sst.fill_value).astype("f8")
    return [float(month.mean()) - KELVIN for month in masked]


def _arrays(root: Group, *paths: str) -> list[Array]:
    from exzarr._nodes.array import Array

    found = [root[path] for path in paths]
    return [node for node in found if isinstance(node, Array)]


def _picture(root: Group, sst: Array, air: Array, months: Any, means: MonthlyMeans) -> Picture:
    """Compute the data of the figure, slice by slice along time."""
    from exzarr._cli.demo import climate, figure

    fill = sst.fill_value
    usual = np.where(means.values == fill, np.nan, means.values)
    calendar = months.astype("M8[M]").astype(int) % 12
    anomaly = np.full((sst.shape[0], sst.shape[2]), np.nan)
    for month in sst.slice_stream("time"):
        difference = np.where(month.data == fill, np.nan, month.data) - usual[calendar[month.index]]
        wet = ~np.isnan(difference)
        with np.errstate(invalid="ignore"):
            anomaly[month.index] = np.where(wet, difference, 0).sum(axis=0) / wet.sum(axis=0)
    cold, warm = [int(np.flatnonzero(months == np.datetime64(m))[0]) for m in (figure.COLD, figure.WARM)]
    # A calendar of twelve months of thirty days
    latitude, longitude, air_time, air_latitude, air_longitude = _arrays(
        root,
        "ocean/latitude",
        "ocean/longitude",
        "north_america/time",
        "north_america/latitude",
        "north_america/longitude",
    )
    years = 1970 + np.floor(air_time[...] / (360 * 24)).astype(int)
    first, last = climate.period_means(air, years, *PERIODS)
    return figure.Picture(
        months=months,
        latitude=latitude[...],
        longitude=longitude[...],
        cold=np.where(sst[cold] == fill, np.nan, sst[cold]),
        warm=np.where(sst[warm] == fill, np.nan, sst[warm]),
        anomaly=anomaly,
        air_latitude=air_latitude[...],
        air_longitude=air_longitude[...],
        warming=last - first,
        periods=(f"{PERIODS[0][0]}–{PERIODS[0][1]}", f"{PERIODS[1][0]}–{PERIODS[1][1]}"),
    )

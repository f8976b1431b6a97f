"""The demo's figure: the tropical oceans in a cold and a warm winter, and a warming continent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from exzarr._cli.demo.climate import KELVIN, NINO_34
from exzarr._typing import AnyArray
from exzarr.errors import MissingDependencyError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Picture", "draw"]


COLD, WARM = "2008-01", "2010-01"
"""The months of the two maps: La Niña and El Niño."""

_LAND, _INK, _FAINT = "#d9d4cb", "#22303c", "#6b7a86"
_CITIES = (
    ("Vancouver", 236.9, 49.3),
    ("Los Angeles", 241.8, 34.1),
    ("Mexico City", 260.9, 19.4),
    ("Winnipeg", 262.9, 49.9),
    ("Chicago", 272.4, 41.9),
    ("New York", 286.0, 40.7),
)


@dataclass(frozen=True)
class Picture:
    """Data of the figure. Temperatures are in K and angles in degrees; NaN is land.

    Attributes
    ----------
    months, latitude, longitude
        Coordinates of the ocean.
    cold, warm
        Two months of the ocean: (latitude, longitude).
    anomaly
        Difference from the mean of the calendar month, averaged over latitudes: (month, longitude).
    air_latitude, air_longitude, warming
        The continent: (latitude, longitude). `warming` is the last thirty years minus the first thirty.
    periods
        Names of the two periods: ``("1861–1890", "2070–2099")``.
    """

    months: AnyArray
    latitude: AnyArray
    longitude: AnyArray
    cold: AnyArray
    warm: AnyArray
    anomaly: AnyArray
    air_latitude: AnyArray
    air_longitude: AnyArray
    warming: AnyArray
    periods: tuple[str, str]


def draw(picture: Picture, path: Path) -> None:
    """Write the picture as a PNG, or raise MissingDependencyError without matplotlib."""
    try:
        import matplotlib as mpl
    except ImportError:
        raise MissingDependencyError("the demo requires matplotlib: pip install 'exzarr[demo]'") from None
    style = {
        "font.size": 9,
        "font.family": "DejaVu Sans",
        "axes.edgecolor": _FAINT,
        "axes.labelcolor": _INK,
        "axes.linewidth": 0.6,
        "xtick.color": _FAINT,
        "ytick.color": _FAINT,
        "text.color": _INK,
    }
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    # pyplot would change global state and require a display.
    with mpl.rc_context(style):
        figure = Figure(figsize=(13, 9.6), dpi=120, facecolor="white")
        FigureCanvasAgg(figure)
        upper = figure.add_gridspec(
            3, 1, height_ratios=(1, 1, 0.12), left=0.065, right=0.975, top=0.868, bottom=0.52, hspace=0.42
        )
        lower = figure.add_gridspec(
            2, 2, height_ratios=(1, 0.042), width_ratios=(1.62, 1), left=0.065, right=0.975, top=0.42,
            bottom=0.065, hspace=0.22, wspace=0.14,
        )  # fmt: skip
        _titles(figure)
        _oceans(figure, upper, picture)
        _hovmoeller(figure, lower, picture)
        _continent(figure, lower, picture)
        figure.savefig(path, metadata={"Software": "exzarr demo"})


def _titles(figure: Any) -> None:
    figure.text(0.065, 0.955, "Two winters on the equator, and a warming continent", size=17, weight="bold")
    figure.text(
        0.065, 0.928, "Read from Zarr with exzarr. Sea-surface temperature: Met Office OSTIA, monthly means. "
        "Air temperature: Met Office HadGEM2-AO, scenario E1.", size=9, color=_FAINT,
    )  # fmt: skip


def _oceans(figure: Any, grid: Any, picture: Picture) -> None:
    """Draw the ocean twice, with the same colours."""
    edges = _edges(picture.longitude), _edges(picture.latitude)
    mesh = None
    for row, (values, title) in enumerate(
        (
            (picture.cold, f"La Niña · sea-surface temperature, {_month(COLD)}"),
            (picture.warm, f"El Niño · sea-surface temperature, {_month(WARM)}"),
        )
    ):
        axes = figure.add_subplot(grid[row])
        axes.set_facecolor(_LAND)
        mesh = axes.pcolormesh(*edges, values - KELVIN, cmap="RdYlBu_r", vmin=22, vmax=31, rasterized=True)
        axes.set_title(title, loc="left", size=10.5, weight="bold", pad=5)
        _longitudes(axes)
        axes.set_yticks([-4, 0, 4], ["4° S", "0°", "4° N"])
        axes.plot(*_box(), color=_INK, lw=1.1, ls=(0, (4, 2)))
        if row == 0:
            axes.tick_params(labelbottom=False)
            axes.annotate(
                "Niño 3.4 region", (sum(NINO_34) / 2, 4.95), ha="center", va="bottom", size=8,
                xytext=(0, 2), textcoords="offset points",
                annotation_clip=False,
            )  # fmt: skip
            for where, name in ((22, "Africa"), (112, "Borneo"), (297, "South America")):
                axes.text(where, 0, name, ha="center", va="center", size=7.5, color=_FAINT, style="italic")
    bar = figure.colorbar(mesh, cax=figure.add_subplot(grid[2]), orientation="horizontal", extend="both")
    bar.set_ticks(range(22, 32), labels=[f"{t} °C" for t in range(22, 32)])
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=0)


def _hovmoeller(figure: Any, grid: Any, picture: Picture) -> None:
    """Draw the anomaly with time downwards and longitude across (a Hovmöller diagram)."""
    axes = figure.add_subplot(grid[0, 0])
    time = np.arange(len(picture.months) + 1)
    axes.set_facecolor(_LAND)
    mesh = axes.pcolormesh(
        _edges(picture.longitude), time, picture.anomaly, cmap="RdBu_r", vmin=-2.5, vmax=2.5, rasterized=True
    )
    axes.invert_yaxis()
    _longitudes(axes)
    januaries = [i for i, month in enumerate(picture.months) if str(month).endswith("-01")]
    axes.set_yticks(januaries, [str(picture.months[i])[:4] for i in januaries])
    for lon in NINO_34:
        axes.axvline(lon, color=_INK, lw=0.9, ls=(0, (4, 2)))
    for month, label in ((COLD, "La Niña"), (WARM, "El Niño")):
        at = int(np.flatnonzero(picture.months == np.datetime64(month))[0])
        axes.annotate(
            label,
            (sum(NINO_34) / 2, at + 0.5),
            ha="center",
            va="center",
            size=9,
            weight="bold",
            color="white",
        )
    axes.set_title(
        "Sea-surface temperature compared with the mean of each calendar month",
        loc="left",
        size=10.5,
        weight="bold",
        pad=6,
    )
    _bar(figure, mesh, grid[1, 0], "K, mean from 5° S to 5° N")


def _continent(figure: Any, grid: Any, picture: Picture) -> None:
    """Draw the warming of the continent."""
    from matplotlib.patheffects import withStroke

    axes = figure.add_subplot(grid[0, 1])
    mesh = axes.contourf(
        picture.air_longitude, picture.air_latitude, picture.warming,
        levels=np.arange(1, 5.01, 0.25), cmap="YlOrRd", extend="both",
    )  # fmt: skip
    axes.contour(mesh, levels=mesh.levels[::2], colors="white", linewidths=0.4, alpha=0.7)
    halo = [withStroke(linewidth=2, foreground="white", alpha=0.75)]
    for name, lon, lat in _CITIES:
        axes.plot(lon, lat, "o", ms=3.5, color=_INK, path_effects=halo)
        axes.annotate(name, (lon, lat), xytext=(5, -9), textcoords="offset points", size=8, path_effects=halo)
    west = [230, 250, 270, 290, 310]
    axes.set_xticks(west, [f"{360 - lon}° W" for lon in west])
    axes.set_yticks([20, 30, 40, 50, 60], [f"{lat}° N" for lat in (20, 30, 40, 50, 60)])
    axes.tick_params(length=2.5)
    first, last = picture.periods
    axes.set_title(f"North America: {last} minus {first}", loc="left", size=10.5, weight="bold", pad=6)
    _bar(figure, mesh, grid[1, 1], "K, yearly mean air temperature")


def _bar(figure: Any, mesh: Any, place: Any, label: str) -> None:
    bar = figure.colorbar(mesh, cax=figure.add_subplot(place), orientation="horizontal", extend="both")
    bar.set_label(label, size=8.5)
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=0)


def _longitudes(axes: Any) -> None:
    at = range(0, 361, 60)
    names = ["0°", "60° E", "120° E", "180°", "120° W", "60° W", "0°"]
    axes.set_xticks(at, names)
    axes.set_xlim(0, 360)
    axes.tick_params(length=2.5)


def _box() -> tuple[list[float], list[float]]:
    west, east = NINO_34
    return [west, east, east, west, west], [-5.2, -5.2, 4.65, 4.65, -5.2]


def _edges(centres: AnyArray) -> AnyArray:
    """Return the borders between evenly spaced cells."""
    step = float(centres[1] - centres[0])
    return np.append(centres - step / 2, centres[-1] + step / 2)


def _month(text: str) -> str:
    return np.datetime64(text).astype(object).strftime("%B %Y")  # type: ignore[no-any-return]

"""Plot of the codec lab's report: compression ratio against speed, and the Pareto front."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from exzarr.lab.report import bare_axes, new_figure

if TYPE_CHECKING:
    from exzarr.lab.codec_report import CodecReport

__all__ = ["figure"]

COLOURS = ("#4477aa", "#ee8866", "#228833", "#aa4499", "#bbaa33", "#66ccee", "#ee3377", "#777777", "#332288")


def figure(report: CodecReport) -> Any:
    """Return scatter plots of ratio against decoding and encoding speed. A line marks the Pareto front."""
    made = new_figure(11, 5)
    left, right = made.subplots(1, 2, sharey=True)
    families = [*dict.fromkeys(trial.chain.family for trial in report.trials)]
    colour = {family: COLOURS[i % len(COLOURS)] for i, family in enumerate(families)}
    for axes, what in ((left, "decode_all"), (right, "encode_all")):
        for family in families:
            some = [
                t
                for t in report.trials
                if t.chain.family == family and not (family == "none" and what == "encode_all")
            ]
            axes.scatter(
                [getattr(t, what) / 2**20 for t in some],
                [t.ratio for t in some],
                s=[60 if t.pareto else 24 for t in some],
                color=colour[family],
                edgecolors=["black" if t.pareto else "none" for t in some],
                label=family if axes is left else None,
                zorder=3,
            )
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        axes.xaxis.set_minor_formatter("")
        axes.grid(visible=True, color="#e5e5e5", zorder=0)
        bare_axes(axes)
    front = sorted(report.front, key=lambda t: t.decode_all)
    left.plot(
        [t.decode_all / 2**20 for t in front],
        [t.ratio for t in front],
        color="#999999",
        zorder=2,
        linewidth=1,
    )
    for trial in front:
        left.annotate(
            trial.label,
            (trial.decode_all / 2**20, trial.ratio),
            textcoords="offset points",
            xytext=(5, 5),
            fontsize=7,
        )
    threads = f"{report.threads} thread{'' if report.threads == 1 else 's'}"
    left.set_xlabel(f"decoding, MiB/s with {threads}")
    right.set_xlabel(f"encoding, MiB/s with {threads}")
    left.set_ylabel("compression ratio")
    made.legend(loc="outside lower center", ncols=min(9, len(families)), fontsize=8, frameon=False)
    left.set_title(report.headline().partition("\n")[0], loc="left", fontsize=9)
    return made

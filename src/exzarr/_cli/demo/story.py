"""The text of the demo: numbered steps with explanations and results."""

from __future__ import annotations

import math
import shutil
import sys
from typing import TYPE_CHECKING, Any

from exzarr._cli.output import console, human_bytes, ratio, times

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from exzarr._cli.demo.check import Comparison
    from exzarr._cli.demo.climate import MonthlyMeans
    from exzarr._cli.demo.data import Source
    from exzarr._engine.planning.explain import Explanation
    from exzarr._nodes.array import Array
    from exzarr.telemetry import Report

__all__ = ["Story"]

_TEXT_WIDTH = 88
_BARS = "▁▂▃▄▅▆▇█"


class Story:
    """Prints the steps of the demo; a quiet story prints nothing."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._out = console()
        self._out.quiet = quiet
        self._steps = 0

    # -- the steps -----------------------------------------------------------------

    def begin(self, sources: Sequence[Source]) -> None:
        """Describe the data."""
        self._out.print()
        self._out.print(
            "[bold]exzarr demo[/bold]  [dim]real climate data: from netCDF to Zarr, with every value checked[/dim]"
        )
        self._step("The data")
        self._say("Two netCDF files of the Met Office, from the Python package iris-sample-data.")
        for source in sources:
            self._out.print(
                f"   [cyan]{source.path.name:<20}[/cyan] "
                f"[dim]{len(source.variables)} variables, {human_bytes(source.nbytes)} in memory[/dim]\n"
                f"   {'':<20} {source.about}"
            )

    def written(self, store: Path, rows: list[dict[str, Any]]) -> None:
        """Describe the written and consolidated hierarchy."""
        from exzarr._cli.tree import tree_table

        arrays = [row for row in rows if row["node_type"] == "array"]
        data, stored = sum(row["nbytes"] for row in arrays), sum(row["nbytes_stored"] for row in arrays)
        chunks = sum(_count(row["shape"], row["chunks"]) for row in arrays)
        files = sum(row["stored_objects"] for row in arrays)
        self._step("Written as one Zarr v3 hierarchy")
        self._say(
            "Each file is a group, and each variable is an array. Arrays are divided into chunks, which are compressed "
            "and read separately. A shard holds many chunks in one file and reduces the number of files. "
            "Chunks that contain only the fill value are not stored."
        )
        self._out.print(_indented(tree_table(rows, self._out, indent=3)))
        self._out.print()
        self._figures(
            ("in memory", f"{human_bytes(data)} in {len(arrays)} arrays"),
            ("stored", f"{human_bytes(stored)}: {ratio(data, stored)} smaller, zstd with checksums"),
            ("files", f"{files} for {chunks} chunks, and {len(rows)} metadata documents"),
        )
        self._say(
            "Then the metadata is consolidated: the root's document holds a copy of all other documents. "
            "One read opens the hierarchy."
        )

    def window(self, window: tuple[slice, ...], explanation: Explanation, values: Any, array: Array) -> None:
        """Describe the read of a window of `array`. `values` are masked on land."""
        import numpy as np

        from exzarr._cli.demo.climate import KELVIN
        from exzarr._cli.head import selection_text

        self._step("Opened again, and a window read")
        self._say(
            "The window is the Pacific region of El Niño, 170° W to 120° W, in the winter of 2009/10. `explain` shows "
            "the cost before the read:"
        )
        brackets = f"[{selection_text(window)}]"
        self._out.print(f"   >>> sst.explain{brackets}", markup=False, style="green")
        for line in str(explanation).splitlines()[1:]:
            self._out.print(f"   {line}", markup=False)
        self._out.print()
        self._say(
            f"Elements without a value (land) hold the fill value {array.fill_value:.3g}, an ordinary number. "
            "Mask it before you compute:"
        )
        fill = float(array.fill_value)
        whole = array[...]
        masked = np.ma.masked_equal(whole, fill)
        plain = float(whole.astype("f8").mean())
        self._out.print("   >>> sst[...].mean()", markup=False, style="green")
        self._out.print(f"     {plain:.2g} K   [dim]the fill value counts: a wrong result[/dim]")
        self._out.print(
            "   >>> np.ma.masked_equal(sst[...], sst.fill_value).mean()", markup=False, style="green"
        )
        self._out.print(
            f"     {float(masked.mean(dtype='f8')):.2f} K   [dim]of {masked.count():,} values; "
            f"{1 - masked.count() / masked.size:.0%} of {masked.size:,} are masked[/dim]"
        )
        self._out.print(
            f"   >>> np.ma.masked_equal(sst{brackets}, sst.fill_value).mean() - {KELVIN}",
            markup=False,
            style="green",
        )
        self._out.print(
            f"     {float(values.mean(dtype='f8')) - KELVIN:.2f} °C   "
            f"[dim]of the {values.count():,} values in the window of {times(values.shape)}[/dim]"
        )

    def streaming(self, array: Array) -> bool:
        """Announce the monthly means. Return whether to show a progress bar."""
        self._step("A mean for each month of the year, chunk by chunk")
        self._say(
            f"The array has {array.nchunks} chunks. Threads read a few chunks ahead, so memory stays bounded. "
            "The same code works for a terabyte."
        )
        return not self._out.quiet and sys.stderr.isatty()

    def means(self, array: Array, means: MonthlyMeans, year: list[float], warmer: float) -> None:
        """Describe the stored monthly means. `year` is in °C, and `warmer` (of the window) in K."""
        self._say(
            f"{means.chunks} chunks of at most {human_bytes(means.chunk_bytes)} were read; the array has "
            f"{human_bytes(array.nbytes)}. Land is masked. The means are a new array in the same group, and the "
            "consolidated metadata includes it immediately."
        )
        low, high = min(year), max(year)
        bars = "  ".join(_BARS[round((t - low) / (high - low) * (len(_BARS) - 1))] for t in year)
        self._out.print(f"   [dim]{'':<22}J  F  M  A  M  J  J  A  S  O  N  D[/dim]")
        self._out.print(
            f"   {'a usual Pacific year':<22}[yellow]{bars}[/yellow]   {low:.1f} to {high:.1f} °C"
        )
        self._out.print(f"   {'the winter of 2009/10':<22}{warmer:.1f} K warmer than usual: El Niño")

    def compared(self, version: str, comparisons: Sequence[Comparison]) -> None:
        """Print the comparison with zarr-python."""
        from rich.table import Table

        self._step(f"Read back with zarr-python {version}, value by value")
        self._say(
            "Another implementation reads the same files. Each value, including missing ones, is compared with the "
            "netCDF files. Data types, dimension names and attributes are compared, too."
        )
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
        table.add_column()
        table.add_column(style="cyan")
        table.add_column(justify="right")
        table.add_column()
        for comparison in comparisons:
            what = "; ".join(comparison.faults)
            if comparison.different:
                what = f"{comparison.different:,} differ" + (f"; {what}" if what else "")
            table.add_row(
                "[green]✓[/green]" if comparison.held else "[red]✗[/red]",
                comparison.path,
                f"{comparison.values:,}",
                what or "[dim]equal[/dim]",
            )
        self._out.print(_indented(table))
        values = sum(comparison.values for comparison in comparisons)
        wrong = [comparison for comparison in comparisons if not comparison.held]
        verdict = f"[bold red]{len(wrong)} of {len(comparisons)} arrays differ[/bold red]"
        if not wrong:
            verdict = f"[bold green]all {values:,} values of {len(comparisons)} arrays are equal[/bold green]"
        self._out.print(f"\n   {verdict}")

    def profiled(self, report: Report) -> None:
        """Print the profile of the demo."""
        from exzarr.telemetry.show import phases_table, text_of

        self._step("Where the time and the bytes went")
        self._say(
            "The demo ran under `exzarr.profile()`, which costs nothing while it is not used. `--profile` after any "
            "command prints a profile, too. These arrays are too small to measure the speed of exzarr. `make bench` "
            "compares it with zarr-python and TensorStore."
        )
        read, written = report.total("read"), report.total("write")
        requests = sum(use.requests for use in report.requests.values())
        self._figures(
            ("read", f"{read.chunks:,} chunks, {human_bytes(read.bytes_stored)} stored bytes"),
            ("decoded", f"{human_bytes(read.bytes_decoded)}, {read.amplification:.3g} × the requested bytes"),
            ("written", f"{written.chunks:,} chunks, {human_bytes(written.bytes_stored)} stored bytes"),
            ("requests", f"{requests:,} to the file system, including metadata"),
        )
        self._out.print()
        for table in phases_table(report):
            for line in text_of(table).splitlines():
                self._out.print(f"   {line}", markup=False)

    def end(self, folder: Path, store: Path, picture: Path, *, held: bool) -> None:
        """Print the output paths and the next commands to try."""
        self._step("The output files")
        self._figures(("hierarchy", f"{store}"), ("picture", f"{picture}"))
        where = _relative(store)
        exzarr, python = _command(sys.argv[0], "exzarr"), _command(sys.executable, "python")
        commands = (
            (f"{exzarr} tree {where}", "the hierarchy again"),
            (f"{exzarr} info {where}/ocean/surface_temperature", "the properties of one array"),
            (f'{exzarr} head {where}/ocean/surface_temperature -r "45, :4, 334:342"', "values, land is --"),
            (f'{python} -c "import exzarr; print(exzarr.open({where!r}).tree())"', "in Python"),
        )
        width = max(len(command) for command, _ in commands)
        self._out.print("\n   [bold]Try next[/bold]")
        for command, what in commands:
            comment = f"  [dim]# {what}[/dim]" if width + 28 <= self._out.width else ""
            self._out.print(
                f"   [green]{_escaped(f'{command:<{width}}' if comment else command)}[/green]{comment}"
            )
        if not held:
            self._out.print(
                "\n   [bold red]Some values differ: see step 5. This is a bug; please report it.[/bold red]"
            )
        self._out.print()

    # -- how they are printed ------------------------------------------------------

    def _step(self, title: str) -> None:
        self._steps += 1
        self._out.print(f"\n[bold blue]{self._steps}[/bold blue]  [bold]{title}[/bold]")

    def _say(self, text: str) -> None:
        import textwrap

        width = min(_TEXT_WIDTH, self._out.width - 4)
        for line in textwrap.wrap(text, width, break_on_hyphens=False):
            self._out.print(f"   {line}", style="dim", markup=False)

    def _figures(self, *rows: tuple[str, str]) -> None:
        for name, value in rows:
            self._out.print(f"   [dim]{name:<10}[/dim] {_escaped(value)}")


def _indented(table: Any) -> Any:
    from rich.padding import Padding

    return Padding(table, (0, 0, 0, 3), expand=False)


def _escaped(text: str) -> str:
    from rich.markup import escape

    return escape(text)


def _count(shape: Sequence[int], chunks: Sequence[int]) -> int:
    return math.prod(-(-n // c) for n, c in zip(shape, chunks, strict=True))


def _command(program: str, name: str) -> str:
    """Return the command for `program`: its plain name if the shell finds it."""
    from pathlib import Path

    found = shutil.which(name)
    here = Path(program).absolute()
    if not here.name.startswith(name) or (found is not None and Path(found).absolute().parent == here.parent):
        return name
    return _relative(here)


def _relative(path: Path) -> str:
    """Return `path` relative to the current folder if it is inside it."""
    from pathlib import Path

    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)

"""Draw a picture in a terminal: as an image if the terminal shows images (sixel, kitty), else with characters."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from exzarr._pictures.figure import Style, check_style, draw, image_colours
from exzarr.errors import ArgumentError, MissingDependencyError

if TYPE_CHECKING:
    from rich.console import Console

    from exzarr._pictures.picture import Axis, Picture
    from exzarr._typing import AnyArray

__all__ = ["show"]

WIDTH = 100
"""Maximum width of drawings with characters, in characters."""


def show(picture: Picture, style: Style, out: Console) -> None:
    """Draw a picture.

    Raises
    ------
    ArgumentError
        The style does not apply to the picture.
    MissingDependencyError
        textual-image, plotille or matplotlib is not installed.
    """
    check_style(picture, style)
    images = shown_images(out)
    if images is not None:
        out.print(images(_rendered(picture, style), width=min(out.width, WIDTH), height="auto"))
    elif picture.kind == "image":
        _blocks(picture, style, out)
    else:
        title = picture.title if style.title is None else style.title
        out.print(title, style="bold", highlight=False, markup=False)
        out.print(
            _characters(picture, style, min(out.width, WIDTH)), highlight=False, markup=False, soft_wrap=True
        )
    out.print(f"[dim]{picture.sample}[/dim]", highlight=False)


def shown_images(out: Console) -> Any:
    """Return the class of textual-image that shows images in this terminal; None if it shows only characters."""
    if not out.is_terminal:
        return None
    renderable = _textual_image()
    return renderable.Image if renderable.Image in (renderable.SixelImage, renderable.TGPImage) else None


def _textual_image() -> Any:
    try:
        from textual_image import renderable
    except ImportError:
        raise MissingDependencyError(
            "drawing in a terminal requires textual-image: pip install 'exzarr[plot]'"
        ) from None
    return renderable


def _rendered(picture: Picture, style: Style) -> Any:
    """Return the figure as an image of Pillow."""
    from io import BytesIO

    from PIL import Image

    buffer = BytesIO()
    draw(picture, style).savefig(buffer, dpi=120)
    return Image.open(buffer)


def _blocks(picture: Picture, style: Style, out: Console) -> None:
    """Print an image with two pixels in each character, and the ends of its dimensions."""
    from PIL import Image

    colours = image_colours(picture, style)
    height, width = colours.shape[:2]
    across = max(2, min(out.width - 2, WIDTH, width * max(1, WIDTH // width)))
    down = max(2, min(2 * 40, round(height / width * across)))
    image = Image.fromarray(colours).resize((across, down), Image.Resampling.BOX)
    renderable = _textual_image()
    kind = renderable.HalfcellImage if out.color_system else renderable.UnicodeImage
    title = picture.title if style.title is None else style.title
    out.print(f"[bold]{_escaped(title)}[/bold]", highlight=False)
    out.print(kind(image, width=across, height=-(-down // 2)))
    rows, columns = picture.axes
    for name, axis in (("down", rows), ("across", columns)):
        out.print(f"[dim]{name:<7}{_escaped(axis.label)}: {_ends(axis)}[/dim]", highlight=False)
    if not picture.colours and picture.values.count():
        low, high = float(picture.values.min()), float(picture.values.max())
        out.print(f"[dim]values {_escaped(picture.label)}: {low:.6g} to {high:.6g}[/dim]", highlight=False)


def _ends(axis: Axis) -> str:
    first, last = axis.values[0], axis.values[-1]
    return (
        f"{first} to {last}" if axis.values.dtype.kind == "M" else f"{float(first):.6g} to {float(last):.6g}"
    )


def _characters(picture: Picture, style: Style, width: int) -> str:
    """Return a line or a histogram, drawn by plotille with axes. Elements without a value are left out."""
    try:
        import plotille
    except ImportError:
        raise MissingDependencyError(
            "drawing in a terminal requires plotille: pip install 'exzarr[plot]'"
        ) from None
    numbers = picture.values.compressed()
    if not len(numbers):
        return "no element has a value"
    figure = plotille.Figure()
    figure.with_colors = False
    figure.width, figure.height = max(20, width - 24), 16
    figure.y_ticks_fkt = _number
    if picture.kind == "histogram":
        _histogram(figure, picture.label, numbers, style)
    else:
        _line(figure, picture, style)
    drawn: str = figure.show()
    return drawn


def _histogram(figure: Any, label: str, numbers: AnyArray, style: Style) -> None:
    if style.log:
        raise ArgumentError("a histogram in the terminal has no logarithmic scale: give --output")
    low, high = style.limits or _widened(numbers)
    inside = numbers[(numbers >= low) & (numbers <= high)]
    if not len(inside):
        raise ArgumentError(
            f"no element is within --limits: they are from {numbers.min():.6g} to {numbers.max():.6g}"
        )
    figure.x_label, figure.y_label = label, "elements"
    figure.x_ticks_fkt = _number
    figure.histogram(inside.tolist(), bins=figure.width)
    figure.set_x_limits(low, high)


def _line(figure: Any, picture: Picture, style: Style) -> None:
    (axis,) = picture.axes
    figure.x_label, figure.y_label = axis.label, picture.label
    shown = ~np.ma.getmaskarray(picture.values)
    limits = style.limits
    if style.log:
        shown &= np.ma.filled(picture.values > 0, False)
    at, numbers = axis.values[shown], picture.values.data[shown]
    if style.log:
        numbers = np.log10(numbers)
        limits = None if limits is None else (math.log10(limits[0]), math.log10(limits[1]))
        figure.y_ticks_fkt = _power
    if at.dtype.kind == "M":
        at = at.astype("M8[us]")  # other units become no datetimes
    figure.plot(at.tolist(), numbers.tolist())
    figure.set_y_limits(*(limits or _widened(numbers)))
    if at.dtype.kind != "M":
        figure.x_ticks_fkt = _number
        figure.set_x_limits(*_widened(at))


def _number(value: float, _: float) -> str:
    return f"{value:.6g}"


def _power(value: float, _: float) -> str:
    return f"{10**value:.6g}"


def _widened(values: AnyArray) -> tuple[float, float]:
    """Return the ends of an axis: distinct, also for one value."""
    low, high = float(values.min()), float(values.max())
    return (low, high) if low < high else (low - 0.5, high + 0.5)


def _escaped(text: str) -> str:
    from rich.markup import escape

    return escape(text)

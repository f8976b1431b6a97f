"""Options that several commands share, and their parsers."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from exzarr.errors import ArgumentError

if TYPE_CHECKING:
    from exzarr._nodes.survey import OnError

__all__ = [
    "AS_JSON",
    "ON_ERROR",
    "examples",
    "parse_bytes",
    "parse_codecs",
    "parse_numbers",
    "parse_on_error",
    "parse_options",
    "parse_sizes",
    "progress_bar",
    "takes_urls",
]

AS_JSON = Annotated[bool, typer.Option("--json", help="Print JSON.")]
ON_ERROR = Annotated[
    str,
    typer.Option(
        "--on-error",
        metavar="raise|skip",
        help="For unreadable nodes: raise an error, or skip and name them, and exit with 1.",
    ),
]

_ANON = Annotated[bool, typer.Option("--anon", help="Do not sign requests (public data).")]
_ALLOW = Annotated[
    list[str] | None,
    typer.Option(
        "--allow",
        metavar="PLACE",
        help="A folder or the beginning of a URL that references may use; can be repeated.",
    ),
]


def parse_on_error(text: str) -> OnError:
    """Parse ``raise`` or ``skip``, or raise ArgumentError."""
    if text == "raise":
        return "raise"
    if text == "skip":
        return "skip"
    raise ArgumentError(f"--on-error {text!r}: write 'raise' or 'skip'")


def examples(*lines: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return a decorator that adds examples to the end of a command's help."""

    def decorator(command: Callable[..., None]) -> Callable[..., None]:
        # A line with only a backspace keeps the line breaks of the paragraph.
        shown = "\n".join([f"  {line}" for line in lines])
        command.__doc__ = f"{inspect.cleandoc(command.__doc__ or '')}\n\n\b\nExamples:\n{shown}"
        return command

    return decorator


def takes_urls(*names: str, references: bool = True) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return a decorator that adds ``--anon``, ``--option`` and ``--allow`` to a command.

    The command receives them as one argument, `storage_options`. `names` are the names of ``--option``. Without
    `references`, the command has no ``--allow``.
    """
    option = Annotated[
        list[str] | None,
        typer.Option(
            *(names or ("--option", "-o")),
            metavar="KEY=VALUE",
            help="An option of the URL's store, such as endpoint=http://localhost:9000; can be repeated.",
        ),
    ]
    added: dict[str, tuple[Any, Any]] = {"anon": (_ANON, False), "option": (option, None)}
    if references:
        added["allow"] = (_ALLOW, None)

    def decorator(command: Callable[..., None]) -> Callable[..., None]:
        @wraps(command)
        def run(
            *args: Any,
            option: Sequence[str] | None,
            anon: bool,
            allow: Sequence[str] | None = None,
            **more: Any,
        ) -> None:
            command(*args, storage_options=_gathered(option, anon, allow), **more)

        own = inspect.signature(command)
        hints = get_type_hints(command, include_extras=True)
        kept = [
            one.replace(annotation=hints[name])
            for name, one in own.parameters.items()
            if name != "storage_options"
        ]
        kind = inspect.Parameter.KEYWORD_ONLY
        new = [
            inspect.Parameter(name, kind, default=default, annotation=annotation)
            for name, (annotation, default) in added.items()
        ]
        run.__signature__ = own.replace(parameters=[*kept, *new])  # type: ignore[attr-defined]
        run.__annotations__ = {one.name: one.annotation for one in [*kept, *new]}
        return run

    return decorator


def _gathered(option: Sequence[str] | None, anon: bool, allow: Sequence[str] | None) -> dict[str, Any] | None:
    """Merge the three options into `storage_options`; None if none is given."""
    found = parse_options(option, "--option")
    if anon:
        found["anon"] = "true"
    if allow:
        found["allow"] = [*allow]
    return found or None


def parse_options(texts: Sequence[str] | None, option: str) -> dict[str, Any]:
    """Parse ``KEY=VALUE`` for each option of a store, or raise ArgumentError. A value may be JSON."""
    found: dict[str, Any] = {}
    for text in texts or ():
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise ArgumentError(f"{option} {name!r}: write KEY=VALUE, such as 'region=eu-west-1'")
        if name in found:
            raise ArgumentError(f"{option} {name}: given twice")
        # The message omits the value, which may be a secret.
        found[name.strip()] = _json(value, f"{option} {name}") if value[:1] == "{" else value
    return found


def parse_sizes(text: str, option: str) -> Any:
    """Parse ``100``, ``100,-1,50``, ``time=12,lat=90`` or ``none``, or raise ArgumentError."""
    if text.strip().lower() == "none":
        return None
    parts = [part.strip() for part in text.strip("()[] ").split(",")]
    try:
        if any("=" in part for part in parts):
            named = [part.split("=") for part in parts]
            return {name.strip(): int(size) for name, size in named}
        sizes = [int(part) for part in parts if part]
    except ValueError:
        raise ArgumentError(
            f"{option} {text!r}: write one length (100), one for each dimension (100,100), -1 for a whole "
            "dimension, or lengths by name (time=12,lat=90)"
        ) from None
    return sizes[0] if len(sizes) == 1 else tuple(sizes)


def parse_numbers(text: str, option: str) -> Any:
    """Parse ``0.5``, ``1,0.5,0.5`` or ``z=2,y=0.5``, or raise ArgumentError."""
    parts = [part.strip() for part in text.split(",")]
    try:
        if any("=" in part for part in parts):
            return {name.strip(): float(number) for name, number in [part.split("=") for part in parts]}
        numbers = [float(part) for part in parts if part]
    except ValueError:
        raise ArgumentError(
            f"{option} {text!r}: write one number (0.5), one for each axis (1,0.5,0.5), or numbers by name (z=2,y=0.5)"
        ) from None
    return numbers[0] if len(numbers) == 1 else tuple(numbers)


def parse_codecs(text: str, option: str) -> Any:
    """Parse codecs, or raise ArgumentError.

    The text is ``none``, a name (``zstd``), a name with its level (``zstd:9``), several (``delta,zstd``), or JSON.
    """
    text = text.strip()
    if text.lower() == "none":
        return None
    if text[:1] in "{[":
        return _json(text, option)
    codecs = [_codec(name.strip(), option) for name in text.split(",")]
    return codecs[0] if len(codecs) == 1 else codecs


_LEVELS = {
    "blosc": "clevel",
    "bz2": "level",
    "gzip": "level",
    "lzma": "preset",
    "zlib": "level",
    "zstd": "level",
}
"""Parameter that the number after a compressor's name sets."""


def _codec(text: str, option: str) -> Any:
    from exzarr._spelling import did_you_mean
    from exzarr.codecs import registry
    from exzarr.codecs.numcodecs import PREFIX

    name, colon, level = text.partition(":")
    known = {one for full in registry.known() for one in (full, full.removeprefix(PREFIX))}
    if name not in known:
        near = did_you_mean(name, known)
        raise ArgumentError(
            f"{option} {text!r}: there is no codec {name!r}"
            + (near or f"; there are {', '.join(sorted(one for one in known if PREFIX not in one))}")
        )
    if not colon:
        return name
    if name not in _LEVELS or not re.fullmatch(r"-?\d{1,6}", level):
        raise ArgumentError(
            f"{option} {text!r}: a number after the name is a level ({', '.join(f'{one}:9' for one in _LEVELS)}); "
            'write other options as JSON: \'{"name": ..., "configuration": {...}}\''
        )
    full = name if name in registry.known() else PREFIX + name
    given = {_LEVELS[name]: int(level)}
    try:
        return registry.get(full)(**given)
    except (TypeError, ValueError) as error:
        raise ArgumentError(f"{option} {text!r}: {error}") from None


def _json(text: str, option: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise ArgumentError(f"{option}: not valid JSON: {error}") from None


def parse_bytes(text: str, option: str) -> int:
    """Parse a number of bytes such as ``268435456``, ``256MiB`` or ``1.5 GB``."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)b?\s*", text, re.IGNORECASE)
    if match is None:
        raise ArgumentError(f"{option} {text!r}: write a number of bytes, such as 512MiB or 2GB")
    base = 1024 if match[3] else 1000
    return int(float(match[1]) * base ** " kmgt".index(match[2].lower() or " "))


@contextmanager
def progress_bar(what: str, *, quiet: bool) -> Iterator[Callable[[Any], object] | None]:
    """Show a progress bar on stderr during a copy, if stderr is a terminal."""
    from exzarr._cli.output import console

    out = console(stderr=True)
    if quiet or not out.is_terminal:
        yield None
        return
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    with Progress(
        TextColumn(what),
        BarColumn(),
        DownloadColumn(binary_units=True),
        TimeRemainingColumn(),
        TextColumn("[dim]{task.fields[path]}"),
        console=out,
        transient=True,
    ) as bar:
        task = bar.add_task(what, total=None, path="")
        yield lambda event: bar.update(task, total=event.total, completed=event.done, path=event.path)

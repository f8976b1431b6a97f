"""What becomes of errors: one line that speaks of options and not of Python, and an exit status.

The statuses are documented in ``docs/guides/command-line.md``.
"""

from __future__ import annotations

import re
from collections.abc import Collection

__all__ = ["BROKEN_PIPE", "DIFFERENT", "FAILED", "INTERRUPTED", "USAGE", "message_of", "status_of"]

DIFFERENT = 1
"""The command ran, and found damage or differences."""
USAGE = 2
"""What was typed makes no sense: an unknown command or option, or a value that does not fit."""
FAILED = 3
"""The command could not do its work: nothing there, no access, unreadable, a library is missing."""
INTERRUPTED = 130
BROKEN_PIPE = 141
"""As the shell has it for a program that a signal ended: 128, and the signal's number."""

_VALUE = r"""(?:True|\[['"]?([^\]'"]*)['"]?\]|\(([^()]*)\)|'([^']*)'|"([^"]*)"|(?![\['"(])([\w./:-]*\w))"""
_ARGUMENT = re.compile(r"\b([a-z][a-z_]*)=" + _VALUE)
_PYTHON = (
    (r"(\w+)=\S+ \((--[^)]*)\)", r"\2"),  # both are said: exclude=['odd'] (--exclude odd)
    (r"ReferenceStore\(\.\.\., allow=\[\.\.\.\]\)", "--allow PLACE"),
    (r"allow=\[[^\]]*\]", "--allow PLACE"),
    (r"ReferenceStore\(\.\.\., base=\.\.\.\)", "--option base=FOLDER says where it begins"),
    (r"absent=\((\d+),\)", r"--option absent=\1"),
    (r"exzarr\.virtualize\(file\) \((exzarr virtualize [^)]*)\)", r"\1"),
    (r"storage_options", "--option"),
    (r"mode '[rwa+-]+' would change", "this would change"),
    (r"[;:,] (?:use )?mode '[^;]*", ""),
    (r" \(exzarr\.codecs\.register\(name, cls\) adds one\)", ""),
    (r"\w+Options\(([a-z_]+)=[^)]*\)", r"--option \1=..."),
)
"""Hints for those who write Python, as those who type commands need them."""


def status_of(error: BaseException) -> int:
    """The exit status for a command that ended with `error`."""
    from exzarr.errors import ArgumentError, SelectionError

    if hasattr(error, "format_message"):  # the parser's own
        return USAGE if getattr(error, "exit_code", USAGE) == USAGE else FAILED
    return USAGE if isinstance(error, (ArgumentError, SelectionError)) else FAILED


def message_of(error: Exception, options: Collection[str]) -> str:
    """What went wrong, in one line. `options` are those of the command line, such as ``--overwrite``."""
    from exzarr.errors import ExzarrError

    usage = getattr(error, "format_message", None)
    if usage is not None:
        text = f"{usage()} (exzarr --help)"
    elif isinstance(error, ExzarrError):
        text = _as_typed(str(error), options)
    elif isinstance(error, OSError) and error.strerror:
        text = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    else:
        text = f"{type(error).__name__}: {error} (EXZARR_DEBUG=1 shows where)"
    return " ".join(text.split())


def _as_typed(text: str, options: Collection[str]) -> str:
    for pattern, instead in _PYTHON:
        text = re.sub(pattern, instead, text)

    def option(match: re.Match[str]) -> str:
        name = "--" + match[1].replace("_", "-")
        if name not in options or text[: match.start()].endswith(("--option ", "-o ", '"', "'")):
            return match[0]
        value = next((part for part in match.groups()[1:] if part), "")
        return f"{name} {value.replace(', ', ',')}".rstrip()

    return _ARGUMENT.sub(option, text)

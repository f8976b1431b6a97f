"""Error messages and exit statuses of the commands. Messages name options instead of Python arguments.

The statuses are documented in ``docs/guides/command-line.md``.
"""

from __future__ import annotations

import re
from collections.abc import Collection

__all__ = [
    "BROKEN_PIPE",
    "DIFFERENT",
    "FAILED",
    "INTERRUPTED",
    "USAGE",
    "in_options",
    "message_of",
    "status_of",
]

DIFFERENT = 1
"""The command completed, and found damage or differences."""
USAGE = 2
"""Wrong usage: an unknown command or option, or an invalid value."""
FAILED = 3
"""Any other failure: no node at the path, no access, unreadable data, a missing library."""
INTERRUPTED = 130
BROKEN_PIPE = 141
"""The shell's status for a program ended by a signal: 128 plus the signal's number."""

_VALUE = r"""(?:True|\[['"]?([^\]'"]*)['"]?\]|\(([^()]*)\)|'([^']*)'|"([^"]*)"|(?![\['"(])([\w./:-]*\w))"""
_ARGUMENT = re.compile(r"\b([a-z][a-z_]*)=" + _VALUE)
_PYTHON = (
    (r"(\w+)=\S+ \((--[^)]*)\)", r"\2"),  # the message has both forms: exclude=['odd'] (--exclude odd)
    (r"ReferenceStore\(\.\.\., allow=\[\.\.\.\]\)", "--allow PLACE"),
    (r"allow=\[[^\]]*\]", "--allow PLACE"),
    (r"ReferenceStore\(\.\.\., base=\.\.\.\)", "--option base=FOLDER names the start"),
    (r"absent=\((\d+),\)", r"--option absent=\1"),
    (r"exzarr\.virtualize\(file\) \((exzarr virtualize [^)]*)\)", r"\1"),
    (
        r"mode '[^']*' needs a writable store, but (\S+) is a web server: .*",
        r"\1 is a web server: if it takes conditional writes, add --option writable=true (TARGET: --to-option writable=true)",
    ),
    (r"storage_options", "--option"),
    (r"mode '[rwa+-]+' would change", "this would change"),
    (r"[;:,] (?:use )?mode '[^;]*", ""),
    (r" \(exzarr\.codecs\.register\(name, cls\) adds one\)", ""),
    (r"\w+Options\(([a-z_]+)=[^)]*\)", r"--option \1=..."),
)
"""Replacements that turn hints about Python arguments into hints about options."""


def status_of(error: BaseException) -> int:
    """Return the exit status for a command that raised `error`."""
    from exzarr.errors import ArgumentError, SelectionError

    if hasattr(error, "format_message"):  # an error of the parser
        return USAGE if getattr(error, "exit_code", USAGE) == USAGE else FAILED
    return USAGE if isinstance(error, (ArgumentError, SelectionError)) else FAILED


def message_of(error: Exception, options: Collection[str]) -> str:
    """Return the message of `error` in one line that names `options` such as ``--overwrite``."""
    from exzarr.errors import ExzarrError

    usage = getattr(error, "format_message", None)
    if usage is not None:
        text = f"{usage()} (exzarr --help)"
    elif isinstance(error, ExzarrError):
        text = _as_typed(str(error), options)
    elif isinstance(error, OSError) and error.strerror:
        text = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    else:
        text = f"{type(error).__name__}: {error} (EXZARR_DEBUG=1 prints the traceback)"
    return " ".join(text.split())


def in_options(text: str) -> str:
    """Return `text` with hints about options instead of hints about Python arguments."""
    for pattern, instead in _PYTHON:
        text = re.sub(pattern, instead, text)
    return text


def _as_typed(text: str, options: Collection[str]) -> str:
    text = in_options(text)

    def option(match: re.Match[str]) -> str:
        name = "--" + match[1].replace("_", "-")
        if name not in options or text[: match.start()].endswith(("--option ", "-o ", '"', "'")):
            return match[0]
        value = next((part for part in match.groups()[1:] if part), "")
        return f"{name} {value.replace(', ', ',')}".rstrip()

    return _ARGUMENT.sub(option, text)

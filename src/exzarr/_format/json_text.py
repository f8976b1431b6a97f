"""Conversion of JSON documents from and to bytes.

The reader implements RFC 8259 with two extensions that existing documents need. It accepts ``NaN`` and
``Infinity`` in all spellings of C and Java, and skips a byte order mark. The writer writes NaN in attributes as ``NaN``.
"""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np

from exzarr.errors import ArgumentError, MetadataError

__all__ = ["decode", "encode"]


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise MetadataError(f"the key {twice[:80]!r} occurs more than once in one object")
    return members


_DECODER = json.JSONDecoder(object_pairs_hook=_object)
_QUICK = json.JSONDecoder()
_string = json.encoder.encode_basestring_ascii

STRICT_NBYTES = 1 << 16
"""Larger documents (consolidated metadata, written by programs) are not checked for repeated keys."""


BYTE_ORDER_MARK = "\ufeff"

_TOKENS = re.compile(r'"(?:[^"\\]|\\.)*"|[+-]?\b(?:nan|inf(?:inity)?)\b', re.ASCII | re.IGNORECASE)
"""Matches strings, which do not change, and spellings of numbers that JSON lacks."""


def _standard_token(found: re.Match[str]) -> str:
    text = found[0]
    if text[0] == '"':
        return text
    if text[-3:].lower() == "nan":
        return "NaN"
    return "-Infinity" if text[0] == "-" else "Infinity"


def decode(data: bytes | bytearray | memoryview, where: str) -> dict[str, Any]:
    """Return the object in a JSON document; raise MetadataError with `where` in its message if invalid."""
    decoder = _DECODER if len(data) <= STRICT_NBYTES else _QUICK
    try:
        text = str(data, "utf-8").removeprefix(BYTE_ORDER_MARK)
        try:
            value = decoder.decode(text)
        except json.JSONDecodeError:
            respelled = _TOKENS.sub(_standard_token, text)
            if respelled == text:
                raise
            value = decoder.decode(respelled)
    except MetadataError as error:
        raise MetadataError(f"{where}: {error}") from None
    except UnicodeDecodeError as error:
        raise MetadataError(f"{where}: not UTF-8 at byte {error.start}") from None
    except RecursionError:
        raise MetadataError(f"{where}: nested too deeply") from None
    except ValueError as error:  # invalid syntax, or an integer with more digits than Python reads
        raise MetadataError(f"{where}: not valid JSON: {error}") from None
    if type(value) is not dict:
        raise MetadataError(f"{where}: a metadata document must be a JSON object")
    return value


def encode(document: Any, *, indent: int | None = 2) -> bytes:
    """Return a document as UTF-8 JSON. NumPy scalars and arrays become numbers and lists.

    Raises ArgumentError if a value is not JSON.
    """
    try:
        text = _COMPACT.encode(document) if indent is None else _indented(document, "\n", " " * indent)
        return text.encode("ascii")
    except RecursionError:
        raise ArgumentError("attributes are nested too deeply to be stored as JSON") from None
    except (TypeError, ValueError) as error:
        raise ArgumentError(
            f"attributes must be JSON (numbers, strings, lists, dicts, None): {error}"
        ) from error


def _indented(value: Any, margin: str, step: str) -> str:
    """Return ``json.dumps(value, indent=...)`` in a third of the time; `json` uses slow generators."""
    kind = type(value)
    if kind is str:
        return _string(value)
    if kind is dict:
        if not value:
            return "{}"
        inner = margin + step
        members = [f"{_key(key)}: {_indented(member, inner, step)}" for key, member in value.items()]
        return f"{{{inner}{f',{inner}'.join(members)}{margin}}}"
    if kind is list or kind is tuple:
        if not value:
            return "[]"
        inner = margin + step
        return f"[{inner}{f',{inner}'.join([_indented(item, inner, step) for item in value])}{margin}]"
    if isinstance(value, dict):  # a derived class
        return _indented({**value}, margin, step)
    if isinstance(value, list | tuple):
        return _indented([*value], margin, step)
    if value is None or isinstance(value, str | bool | int | float):
        return _COMPACT.encode(value)
    return _indented(_plain(value), margin, step)


def _key(key: Any) -> str:
    # As in json, keys that are not strings become strings: 1 and None are "1" and "null".
    return _string(key) if type(key) is str else _COMPACT.encode({key: 0})[1:-4]


def _plain(value: Any) -> Any:
    if isinstance(value, np.bool_ | np.integer | np.str_):
        return value.item()
    if isinstance(value, np.floating):
        number = float(value)  # item() of a long double is a long double
        if number != value and value == value:
            raise TypeError(f"{value!r} has more digits than JSON readers keep; convert it with float(...)")
        return number
    if isinstance(value, np.ndarray) and value.dtype.kind not in "mM":  # items of dates may be integers
        return value.tolist()
    raise TypeError(f"{value!r} of type {type(value).__name__} cannot be stored as JSON")


_COMPACT = json.JSONEncoder(default=_plain)

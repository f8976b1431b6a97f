"""JSON documents as bytes: strict where it matters, and bounded.

RFC 8259 with liberties that documents in the wild take: the tokens ``NaN`` and ``Infinity`` are read, in
whatever spelling C and Java print them, and a byte order mark is skipped. Attributes that hold NaN are written so.
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
        raise MetadataError(f"the key {twice[:80]!r} occurs twice in one object")
    return members


_DECODER = json.JSONDecoder(object_pairs_hook=_object)
_QUICK = json.JSONDecoder()
_string = json.encoder.encode_basestring_ascii

STRICT_NBYTES = 1 << 16
"""Larger documents (consolidated metadata, which programs write) are not searched for keys that occur twice."""


BYTE_ORDER_MARK = "\ufeff"

_TOKENS = re.compile(r'"(?:[^"\\]|\\.)*"|[+-]?\b(?:nan|inf(?:inity)?)\b', re.ASCII | re.IGNORECASE)
"""Strings, which stay as they are, and what is printed for numbers that JSON does not have."""


def _respelled(found: re.Match[str]) -> str:
    text = found[0]
    if text[0] == '"':
        return text
    if text[-3:].lower() == "nan":
        return "NaN"
    return "-Infinity" if text[0] == "-" else "Infinity"


def decode(data: bytes | bytearray | memoryview, where: str) -> dict[str, Any]:
    """The object in a JSON document; MetadataError naming `where` if there is none."""
    decoder = _DECODER if len(data) <= STRICT_NBYTES else _QUICK
    try:
        text = str(data, "utf-8").removeprefix(BYTE_ORDER_MARK)
        try:
            value = decoder.decode(text)
        except json.JSONDecodeError:
            respelled = _TOKENS.sub(_respelled, text)
            if respelled == text:
                raise
            value = decoder.decode(respelled)
    except MetadataError as error:
        raise MetadataError(f"{where}: {error}") from None
    except UnicodeDecodeError as error:
        raise MetadataError(f"{where}: not UTF-8 at byte {error.start}") from None
    except RecursionError:
        raise MetadataError(f"{where}: nested too deeply") from None
    except ValueError as error:  # syntax, and integers of more digits than Python reads
        raise MetadataError(f"{where}: not valid JSON: {error}") from None
    if type(value) is not dict:
        raise MetadataError(f"{where}: a metadata document is a JSON object")
    return value


def encode(document: Any, *, indent: int | None = 2) -> bytes:
    """A document as UTF-8 JSON. NumPy scalars and arrays (in attributes) become numbers and lists.

    ArgumentError where something in it is no JSON.
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
    """What ``json.dumps(value, indent=...)`` gives, in a third of the time: that one is made of generators."""
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
    if isinstance(value, dict):  # a class derived from it
        return _indented({**value}, margin, step)
    if isinstance(value, list | tuple):
        return _indented([*value], margin, step)
    if value is None or isinstance(value, str | bool | int | float):
        return _COMPACT.encode(value)
    return _indented(_plain(value), margin, step)


def _key(key: Any) -> str:
    # Keys that are no strings become strings, as json has them: 1 and None are "1" and "null".
    return _string(key) if type(key) is str else _COMPACT.encode({key: 0})[1:-4]


def _plain(value: Any) -> Any:
    if isinstance(value, np.bool_ | np.integer | np.str_):
        return value.item()
    if isinstance(value, np.floating):
        number = float(value)  # item() of a long double is a long double
        if number != value and value == value:
            raise TypeError(f"{value!r} has more digits than JSON's readers keep: convert it, float(...)")
        return number
    if isinstance(value, np.ndarray) and value.dtype.kind not in "mM":  # whose items may be integers
        return value.tolist()
    raise TypeError(f"{value!r} of type {type(value).__name__} cannot be stored")


_COMPACT = json.JSONEncoder(default=_plain)

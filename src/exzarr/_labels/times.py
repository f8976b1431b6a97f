"""Times of coordinates and of labels.

A time is an integer: a number of nanoseconds, or of a multiple of them. Python's integers compare times of all units
exactly, and without overflow.

Sources: CF conventions, section 4.4 (https://cfconventions.org/cf-conventions/cf-conventions.html#time-coordinate), and
NumPy's ISO 8601 strings (https://numpy.org/doc/stable/reference/arrays.datetime.html).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np

from exzarr._typing import AnyArray, IntArray
from exzarr.errors import LabelError, UnsupportedError

__all__ = ["Period", "Times", "as_nanoseconds", "cf_times", "datetime_times", "parse_period", "show_time"]

NANOSECONDS = {
    "W": 7 * 86_400 * 10**9,
    "D": 86_400 * 10**9,
    "h": 3_600 * 10**9,
    "m": 60 * 10**9,
    "s": 10**9,
    "ms": 10**6,
    "us": 10**3,
    "ns": 1,
}
"""Nanoseconds in NumPy's units of fixed length."""

_RESOLUTIONS = ("D", "h", "m", "s", "ms", "us", "ns")
"""Resolutions of a coordinate, from the coarsest on."""

_CF_UNITS = {
    **dict.fromkeys(("day", "days", "d"), "D"),
    **dict.fromkeys(("hour", "hours", "hr", "hrs", "h"), "h"),
    **dict.fromkeys(("minute", "minutes", "min", "mins"), "m"),
    **dict.fromkeys(("second", "seconds", "sec", "secs", "s"), "s"),
    **dict.fromkeys(("millisecond", "milliseconds", "millisec", "millisecs", "msec", "ms"), "ms"),
    **dict.fromkeys(("microsecond", "microseconds", "microsec", "microsecs", "us"), "us"),
    **dict.fromkeys(("nanosecond", "nanoseconds", "nsec", "ns"), "ns"),
    **dict.fromkeys(("week", "weeks"), "W"),
}
_SINCE = re.compile(r"\s*(\w+)\s+since\s+(.+?)\s*$", re.IGNORECASE)
_REFERENCE = re.compile(
    r"(\d{1,4})-(\d{1,2})-(\d{1,2})(?:[T ]\s*(\d{1,2}):(\d{1,2})(?::(\d{1,2})(?:\.0*)?)?)?\s*(?:Z|UTC|GMT|\+?00:?00)?$"
)
_ISO = re.compile(r"\d{4}(-\d\d(-\d\d([T ]\d\d(:\d\d(:\d\d(\.\d{1,9})?)?)?)?)?)?$")
_GREGORIAN = date(1582, 10, 15)
"""First day of the Gregorian calendar. CF's "standard" calendar is the Julian calendar before."""


@dataclass(frozen=True, slots=True)
class Times:
    """The times of a coordinate: `values`, in units of `unit` nanoseconds since 1970-01-01."""

    values: IntArray
    unit: int

    @property
    def resolution(self) -> int:
        """Nanoseconds of the coarsest resolution that represents all times: a day or less, as in pandas."""
        for name in _RESOLUTIONS[:-1]:
            step = NANOSECONDS[name]
            if step % self.unit == 0 and not (self.values % (step // self.unit)).any():
                return step
            if self.unit % step == 0:
                return step
        return 1


@dataclass(frozen=True, slots=True)
class Period:
    """The time that a string names, from its first to its last nanosecond since 1970-01-01.

    Attributes
    ----------
    resolution
        Nanoseconds of the unit of the string. Months and years count as 28 and 365 days.
    """

    first: int
    last: int
    resolution: int


def parse_period(text: str) -> Period:
    """Parse ``"2024"``, ``"2024-03"``, ``"2024-03-05T12"`` and finer. Raise LabelError for anything else."""
    if not _ISO.match(text):
        raise LabelError(
            f"{text!r} is not a time: write '2024', '2024-03', '2024-03-05' or '2024-03-05T12:30:00'"
        )
    try:
        start = np.datetime64(text.replace(" ", "T"))
    except ValueError as error:
        raise LabelError(f"{text!r} is not a time: {error}") from None
    name: Any = np.datetime_data(start.dtype)[0]
    resolution = {"Y": 365 * NANOSECONDS["D"], "M": 28 * NANOSECONDS["D"]}.get(name) or NANOSECONDS[name]
    return Period(_nanoseconds(start), _nanoseconds(start + np.timedelta64(1, name)) - 1, resolution)


def as_nanoseconds(label: Any) -> int:
    """Return a time of `datetime` or NumPy in nanoseconds since 1970-01-01. Raise LabelError for anything else."""
    if isinstance(label, datetime) and label.tzinfo is not None:
        raise LabelError(
            f"{label!r} has a time zone, and coordinates have none: pass a time in UTC without a zone"
        )
    if isinstance(label, (np.datetime64, date)):
        found = np.datetime64(label)
        if not np.isnat(found):
            nanosecond = getattr(label, "nanosecond", 0)  # pandas
            return _nanoseconds(found) + (nanosecond if isinstance(nanosecond, int) else 0)
    raise LabelError(
        f"{label!r} is not a time: pass a string such as '2024-03-05', a datetime or a datetime64"
    )


def timedelta_nanoseconds(tolerance: Any) -> int:
    """Return a duration of `datetime` or NumPy in nanoseconds."""
    if isinstance(tolerance, (timedelta, np.timedelta64)):
        step = np.timedelta64(tolerance)
        name, count = np.datetime_data(step.dtype)
        if name in NANOSECONDS and not np.isnat(step):
            return int(step.astype(np.int64)) * count * NANOSECONDS[name]
    raise LabelError(f"the tolerance of times is a timedelta or timedelta64, not {tolerance!r}")


def show_time(nanoseconds: int) -> str:
    """Return a time as text, without a time of day that is zero."""
    days, rest = divmod(nanoseconds, NANOSECONDS["D"])
    day = str(np.datetime64(days, "D"))
    if not rest:
        return day
    seconds, fraction = divmod(rest, 10**9)
    clock = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return f"{day}T{clock}" + (f".{fraction:09}".rstrip("0") if fraction else "")


# -- coordinates -----------------------------------------------------------------------


def datetime_times(values: AnyArray) -> Times:
    """Return the times of an array of ``datetime64``. Times without a value (NaT) come first."""
    name, count = np.datetime_data(values.dtype)
    if name not in NANOSECONDS or count != 1:
        values = values.astype(
            "M8[D]" if name in ("Y", "M") else f"M8[{'ns' if name == 'generic' else name}]"
        )
        name = np.datetime_data(values.dtype)[0]
    return Times(values.astype(np.int64), NANOSECONDS[name])


def cf_times(values: AnyArray, attributes: Mapping[str, Any], where: str) -> Times | None:
    """Return the times of numbers with CF units (``days since 1990-01-01``); None if the units are not those of times.

    Raises
    ------
    UnsupportedError
        The calendar, the unit or the reference time is one that needs xarray with cftime.
    """
    matched = _SINCE.match(str(attributes.get("units", "")))
    if matched is None or values.dtype.kind not in "iuf":
        return None
    calendar = str(attributes.get("calendar", "standard")).lower()
    unit, reference = _CF_UNITS.get(matched[1].lower()), _REFERENCE.match(matched[2])
    reason = ""
    if calendar not in ("standard", "gregorian", "proleptic_gregorian"):
        reason = f"its calendar is {calendar!r}"
    elif unit is None or reference is None:
        reason = f"its units are {attributes['units']!r}"
    if unit is None or reference is None or reason:
        raise UnsupportedError(
            f"{where} can't be used for labels: {reason}. Use xarray, which decodes it with cftime"
        )
    year, month, day, hour, minute, second = (int(part or 0) for part in reference.groups())
    try:
        start = datetime(year, month, day, hour, minute, second)
    except ValueError as error:
        raise UnsupportedError(
            f"{where} can't be used for labels: its units are {attributes['units']!r}: {error}"
        ) from None
    times = _since(values, NANOSECONDS[unit], _nanoseconds(np.datetime64(start)))
    first = int(times.values.min(initial=0)) * times.unit
    if (
        calendar != "proleptic_gregorian"
        and min(first, _nanoseconds(np.datetime64(start))) < _GREGORIAN_START
    ):
        raise UnsupportedError(
            f"{where} can't be used for labels: its calendar is {calendar!r}, and it counts from {start.date()}, before "
            "the Gregorian calendar. Use xarray, which decodes it with cftime"
        )
    return times


def _since(values: AnyArray, unit: int, start: int) -> Times:
    """Return times of `values` units after `start`. Fractions are rounded to microseconds."""
    if values.dtype.kind == "f":
        missing = ~np.isfinite(values)
        if missing.any():
            raise LabelError("the coordinate has missing times")
        whole = np.rint(values)
        if not (whole == values).all():
            return Times(
                np.rint(values.astype(np.float64) * (unit / 1000)).astype(np.int64) + start // 1000, 1000
            )
        values = whole.astype(np.int64)
    for name in ("s", "ms", "us", "ns"):
        step = NANOSECONDS[name]
        if unit % step == 0 and start % step == 0:
            break
    return Times(values.astype(np.int64) * (unit // step) + start // step, step)


def _nanoseconds(time: np.datetime64) -> int:
    name, count = np.datetime_data(time.dtype)
    if name in ("Y", "M"):
        time = time.astype("M8[D]")
        name, count = "D", 1
    return int(time.astype(np.int64)) * count * NANOSECONDS[name]


_GREGORIAN_START = _nanoseconds(np.datetime64(_GREGORIAN))

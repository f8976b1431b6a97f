"""Figures formatted for people."""

from __future__ import annotations

__all__ = ["human_bytes", "human_seconds", "human_speed"]


def human_bytes(n: int) -> str:
    """Format bytes: ``1536`` → ``1.5 KiB``."""
    size = float(n)
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if size < 1024:
            # Avoid 1.02e+03
            return f"{n} B" if unit == "B" else f"{size:.3g} {unit}" if size < 999.5 else f"{size:.0f} {unit}"
        size /= 1024
    return f"{size:.4g} PiB"


def human_seconds(seconds: float) -> str:
    """Format seconds: ``0.00125`` → ``1.25 ms``."""
    if seconds >= 60:
        return f"{seconds / 60:.3g} min"
    for factor, unit in ((1, "s"), (1e3, "ms")):
        if seconds * factor >= 1:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds * 1e6:.3g} µs"


def human_speed(nbytes: int, seconds: float) -> str:
    """Format bytes per second: ``64 MiB/s``; ``–`` if `seconds` is 0."""
    return f"{human_bytes(int(nbytes / seconds))}/s" if seconds > 0 else "–"

"""Explanations of the codec lab's recommendations. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from exzarr.lab.codec_report import (
    LEAST_GAIN,
    Destination,
    bandwidth_text,
    break_even,
    ratio_text,
    seconds_per_byte,
)
from exzarr.lab.codec_trial import CodecTrial
from exzarr.telemetry.units import human_bytes

__all__ = ["reasons"]

DEFAULT = "zstd 3"


def reasons(
    trials: Sequence[CodecTrial],
    best: Mapping[str, CodecTrial],
    destinations: Sequence[Destination],
    left_out: Sequence[tuple[str, str]],
    threads: int,
) -> tuple[str, ...]:
    """Return the reasons for each of `best`, one or two sentences each."""
    plain = next((trial for trial in trials if trial.label == "none"), None)
    found = [_best(best[to.name], to, plain, trials) for to in destinations if to.name in best]
    found += _break_even(trials, plain)
    found += _shuffles(trials)
    found += _default(trials, best)
    if threads > 1:
        found += _threads(trials, threads)
    if any(not trial.checks for trial in best.values()):
        names = ", ".join(dict.fromkeys(t.label for t in best.values() if not t.checks))
        found.append(
            f'{names}: decoding does not detect damaged bytes. `compressors=[..., "crc32c"]` adds a checksum, which '
            "is as fast as memory."
        )
    lossy = [trial for trial in trials if trial.chain.lossy]
    if lossy:
        smallest = max(lossy, key=lambda t: t.ratio)
        found.append(
            f"Lossy chains are listed for comparison and never recommended: {smallest.label} is "
            f"{ratio_text(smallest.ratio)} times smaller, with errors of up to {smallest.error:.2g} "
            f"({smallest.relative_error:.1%} of the value)."
        )
    for label, reason in left_out:
        found.append(f"{label} was left out: {reason}.")
    return tuple(found)


def _best(trial: CodecTrial, to: Destination, plain: CodecTrial | None, trials: Sequence[CodecTrial]) -> str:
    if to.smallest and trial is plain:
        return f"{to}: none, because no chain makes this data smaller."
    if to.smallest:
        return (
            f"{to}: {trial.label}, {ratio_text(trial.ratio)} times smaller, encoded at "
            f"{_speed(trial.encode_all)}. No chain that encodes at {_speed(to.least_encode)} or more is over 1 % smaller."
        )
    if trial is plain:
        others = [t for t in trials if t is not plain and not t.chain.lossy and t.ratio > LEAST_GAIN]
        text = f"{to}: none, because no chain makes this data smaller"
        if others:
            text = f"{to}: none, because decoding takes longer than reading the saved bytes"
            second = min(others, key=lambda t: seconds_per_byte(t, to))
            slower = seconds_per_byte(second, to) / seconds_per_byte(trial, to)
            text += (
                f". {second.label}, the next best, takes {slower:.2g} times as long for {ratio_text(second.ratio)} times "
                "fewer bytes"
            )
        return text + "."
    text = f"{to}: {trial.label}, {ratio_text(trial.ratio)} times smaller"
    if plain is not None:
        faster = seconds_per_byte(plain, to) / seconds_per_byte(trial, to)
        text += (
            f", and {faster:.2g} times as fast as without compression"
            if faster > 1.05
            else ", as fast as without compression"
        )
    return text + "."


def _break_even(trials: Sequence[CodecTrial], plain: CodecTrial | None) -> list[str]:
    """Return the bandwidth above which compression does not pay off."""
    others = [t for t in trials if t is not plain and not t.chain.lossy and t.ratio > LEAST_GAIN]
    if plain is None or not others:
        return []
    limit, trial = max(((break_even(t, plain), t) for t in others), key=lambda pair: pair[0])
    if max(t.ratio for t in others) <= LEAST_GAIN:
        return []
    if limit == float("inf"):
        return [
            f"{trial.label} decodes as fast as memory is copied: compression pays off on a disk of any speed."
        ]
    return [
        (
            f"Uncompressed data is faster to read only from storage faster than {bandwidth_text(limit)}; on slower "
            f"storage, {trial.label} is faster."
        )
    ]


def _shuffles(trials: Sequence[CodecTrial]) -> list[str]:
    """Return the effect of shuffling with the same compressor."""
    by_label = {trial.label: trial for trial in trials}
    for stem in ("blosc zstd 3", "blosc lz4 5"):
        without = by_label.get(stem)
        with_it = [
            by_label[f"{stem} {kind}"] for kind in ("shuffle", "bitshuffle") if f"{stem} {kind}" in by_label
        ]
        if without is None or not with_it:
            continue
        better = max(with_it, key=lambda t: t.ratio)
        gain = better.ratio / without.ratio
        if gain > 1.05:
            return [
                f"Shuffling helps: {better.label} is {gain:.2g} times smaller than {stem} without shuffling."
            ]
        return (
            [f"Shuffling has little effect: it makes {stem} at most {gain:.2f} times smaller."]
            if gain > 1.005
            else []
        )
    return []


def _default(trials: Sequence[CodecTrial], best: Mapping[str, CodecTrial]) -> list[str]:
    default = next((t for t in trials if t.label == DEFAULT), None)
    if default is None or DEFAULT in {t.label for t in best.values()}:
        return []
    lossless = [t for t in trials if not t.chain.lossy]
    smallest = max(lossless, key=lambda t: t.ratio)
    larger = smallest.ratio / default.ratio
    if larger < LEAST_GAIN:
        return []
    return [
        (
            f"exzarr's default, {DEFAULT} with a checksum: {ratio_text(default.ratio)} times smaller, decoded at "
            f"{_speed(default.decode_all)}. The smallest chain, {smallest.label}, needs {1 / larger:.0%} of its bytes."
        )
    ]


def _threads(trials: Sequence[CodecTrial], threads: int) -> list[str]:
    gains = sorted(t.decode_all / t.decode for t in trials if t.label != "none" and t.decode > 0)
    if not gains:
        return []
    typical = gains[len(gains) // 2]
    if typical < 1.2:
        return [
            f"{threads} threads decode no faster than one: the machine is busy, or memory bandwidth is the limit."
        ]
    return [f"{threads} threads typically decode {typical:.1f} times as fast as one."]


def _speed(bytes_per_second: float) -> str:
    return f"{human_bytes(int(bytes_per_second))}/s"

"""Queries while other threads change the array and refresh its statistics."""

from __future__ import annotations

from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest

import exzarr
from exzarr import statistics
from exzarr.statistics import identity

value = exzarr.value


@pytest.mark.parametrize("options", [{"chunks": (4, 4)}, {"chunks": (2, 2), "shards": (4, 8)}])
def test_answers_are_never_older_than_the_question(
    options: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(identity, "FINE_NS", 12_000_000)
    group = exzarr.create_group(tmp_path / "s.zarr")
    a = group.create_array("a", data=np.ones((8, 8)), **options)
    a[2, 3] = 2
    statistics.build(a)
    written = 2
    failures: list[Exception] = []

    def write() -> None:
        nonlocal written
        for number in range(3, 60):
            a[2, 3] = number  # the largest value grows
            written = number

    def refresh() -> None:
        while written < 59:
            statistics.Statistics(a).refresh()

    def guarded(work: Any) -> None:
        nonlocal written
        try:
            work()
        except Exception as error:  # noqa: BLE001 - raised by the test
            failures.append(error)
            written = 59

    threads = [Thread(target=guarded, args=(work,)) for work in (write, refresh)]
    for thread in threads:
        thread.start()
    while written < 59:
        before = written
        assert a.max() >= before
        assert a.where(value >= before).any()
        assert not a.where(value > 59).any()
        (found,) = a.where(value > 1).positions()
        assert found.positions.tolist() == [[2, 3]]
        assert found.values[0] >= before
    for thread in threads:
        thread.join()
    assert failures == []
    assert (a.max(), a.where(value == 59).count()) == (59, 1)

"""Updates of overlapping regions from several processes: each level ends as the reduction of the one before it."""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import exzarr
from exzarr import multiscale

pytestmark = pytest.mark.slow

WRITER = """
import sys
import numpy as np
import exzarr
from exzarr import multiscale

path, number = sys.argv[1], int(sys.argv[2])
pyramid = multiscale.open(path)
pyramid = multiscale.open(exzarr.open_group(path, mode="r+"))
rng = np.random.default_rng(number)
for turn in range(8):
    # Each process changes rows of its own, and all change the same elements of coarser levels.
    level = pyramid[0].array
    row = number + 4 * int(rng.integers(0, 2))
    level[row] = float(100 * number + turn + 1)
    pyramid.update((slice(row // 8 * 8, row // 8 * 8 + 8), slice(0, 64)))
"""

APPENDER = """
import sys
import exzarr
from exzarr import multiscale

path, number = sys.argv[1], int(sys.argv[2])
for turn in range(4):
    pyramid = multiscale.open(exzarr.open_group(path, mode="r+"))
    level = pyramid[0].array
    import numpy as np
    level.append(np.full((3, 16), 10.0 * number + turn), axis=0)
    pyramid.update()
"""


def run(program: str, path: Path) -> None:
    started = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(path), str(n)], stderr=subprocess.PIPE, text=True
        )
        for n in range(4)
    ]
    for process in started:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors


def blocks_mean(data: np.ndarray) -> np.ndarray:
    """Return means of blocks of 2 × 2, smaller at the end."""
    rows, columns = [-(-n // 2) for n in data.shape]
    return np.array(
        [[data[2 * i : 2 * i + 2, 2 * j : 2 * j + 2].mean() for j in range(columns)] for i in range(rows)]
    )


def check(path: Path) -> list[np.ndarray]:
    opened = multiscale.open(path)
    assert isinstance(opened, multiscale.Pyramid)
    levels = [level.array[...] for level in opened.levels]
    for before, level in itertools.pairwise(levels):
        np.testing.assert_allclose(level, blocks_mean(before), rtol=1e-6)
    return levels


def test_overlapping_updates_of_processes_leave_right_levels(tmp_path):
    multiscale.write(
        np.zeros((32, 64), "f8"), tmp_path / "p", axes="yx", chunks=(8, 16), levels=3, factors=(2, 2)
    )
    run(WRITER, tmp_path / "p")
    levels = check(tmp_path / "p")
    assert len(np.unique(levels[0])) > 4


def test_appending_processes_leave_right_levels(tmp_path):
    multiscale.write(
        np.zeros((3, 16), "f8"), tmp_path / "p", axes="yx", chunks=(4, 8), levels=2, factors=(2, 2)
    )
    run(APPENDER, tmp_path / "p")
    levels = check(tmp_path / "p")
    assert levels[0].shape == (3 + 4 * 4 * 3, 16)


@pytest.mark.parametrize("grows", [False, True])
def test_update_that_is_overtaken_by_another_one_stores_the_newest_values(tmp_path, grows):
    multiscale.write(
        np.zeros((8, 8), "f8"), tmp_path / "p", axes="yx", chunks=(4, 4), levels=3, factors=(2, 2)
    )
    first, second = [multiscale.open(exzarr.open_group(tmp_path / "p", mode="r+")) for _ in range(2)]
    assert isinstance(first, multiscale.Pyramid)
    assert isinstance(second, multiscale.Pyramid)
    overtaken = []

    def mean(blocks, axis):
        """Let the other update run between the reading and the storing of this one."""
        reduced = np.mean(blocks, axis)
        if not overtaken:
            overtaken.append(True)
            if grows:
                second.levels[0].array.append(np.full((5, 8), 3.0), axis=0)
            second.levels[0].array[:] = 7
            second.update(method="mean")
        return reduced

    first.levels[0].array[:] = 1
    first.update(method=mean, workers=1)
    assert overtaken
    levels = check(tmp_path / "p")
    assert (levels[2] == 7).all()
    assert levels[0].shape == ((13, 8) if grows else (8, 8))


def test_level_that_another_process_has_grown_does_not_shrink(tmp_path):
    from exzarr.multiscale.updating import _grown

    array = exzarr.create_array(tmp_path / "a", shape=(4, 4), dtype="f4")
    stale = exzarr.open_array(tmp_path / "a")
    array.resize((10, 4))
    assert _grown(stale, (6, 5)).shape == (10, 5)

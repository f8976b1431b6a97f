"""Statistics after a kill of the process that refreshes them."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import exzarr
from exzarr import statistics

WRITER = """
import sys
import numpy as np
import exzarr
from exzarr import statistics
from exzarr.statistics import identity

identity.FINE_NS = 20_000_000
a = exzarr.open_array(sys.argv[1], path="a", mode="r+")
random = np.random.default_rng(int(sys.argv[2]))
print("ready", flush=True)
while True:
    a[tuple(random.integers(0, 40, 2))] = random.normal()
    statistics.build(a)
    if random.random() < 0.2:
        a.resize((40, 41 if a.shape[1] == 40 else 40))
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
@pytest.mark.parametrize("options", [{"chunks": (4, 4)}, {"chunks": (2, 2), "shards": (8, 8)}])
def test_a_killed_refresh_leaves_no_wrong_entry(options: Any, tmp_path: Path) -> None:
    folder = tmp_path / "s.zarr"
    a = exzarr.create_group(folder).create_array("a", data=np.ones((40, 40)), **options)
    for kill in range(2):
        command = [sys.executable, "-c", WRITER, str(folder), str(kill)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.readline().strip() == b"ready"
            time.sleep(random.uniform(0, 0.3))  # the exact moment does not matter
            process.kill()
            assert process.wait() == -signal.SIGKILL
        a.refresh()
        values, chunks = a[...], statistics.Statistics(a).read()
        for index in np.ndindex(*chunks.count.shape):
            part = values[tuple(slice(i * n, (i + 1) * n) for i, n in zip(index, a.chunks, strict=True))]
            valid = part[part != 0]
            assert chunks.count[index] == valid.size
            if valid.size:
                assert (chunks.min[index], chunks.max[index]) == (valid.min(), valid.max())
                assert chunks.sum[index] == valid.sum()
        assert (a.min(), a.max()) == (values.min(), values.max())
        for bound in (0, 1, float(values.max())):
            assert a.where(exzarr.value >= bound).count() == (values >= bound).sum()
            assert a.where(exzarr.value < bound).count() == (values < bound).sum()
    statistics.build(a)
    assert statistics.open(a).read().proved.all()

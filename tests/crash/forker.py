"""A process with one thread that forks writers, which start in a millisecond and are killed by the test.

Reads ``<writer>\t<path>`` lines. For each line it forks a child that writes until it is killed, and prints the child's
pid when the child starts. It waits for the child's end, and prints its status and its number of writes.
"""

from __future__ import annotations

import mmap
import os
import sys
import tempfile
import traceback
from itertools import islice
from pathlib import Path

from exzarr import config
from tests.crash.writers import LAYOUTS, WRITERS


def main() -> None:
    config.set(workers=1)
    warm_up()
    done = mmap.mmap(-1, 8)
    for line in sys.stdin:
        name, path = line.rstrip("\n").split("\t")
        done[:] = bytes(8)
        began, begin = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                os.write(begin, b".")
                for n, _ in enumerate(WRITERS[name].write(Path(path)), 1):
                    done[:] = n.to_bytes(8, "little")
            except BaseException:  # noqa: BLE001 - the parent reports the status
                traceback.print_exc()
            os._exit(3)
        os.read(began, 1)
        os.close(began)
        os.close(begin)
        tell(pid)
        _, status = os.waitpid(pid, 0)
        tell(os.waitstatus_to_exitcode(status), int.from_bytes(done[:], "little"))


def tell(*numbers: int) -> None:
    sys.stdout.write(" ".join(map(str, numbers)) + "\n")
    sys.stdout.flush()


def warm_up() -> None:
    """Import all lazy modules in advance, so that no child spends its short life on imports."""
    with tempfile.TemporaryDirectory() as folder:
        for name, writer in WRITERS.items():
            for layout in writer.layouts:
                path = Path(folder) / f"{name}-{layout}"
                writer.prepare(path, LAYOUTS[layout])
                [*islice(writer.write(path), 5)]


if __name__ == "__main__":
    main()

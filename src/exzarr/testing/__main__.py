"""Fuzz a codec: ``python -m exzarr.testing fuzz my_package.MyCodec --seconds 60``.

The codec is a class, a name in documents, or an entry of a document as JSON. With atheris (pip install atheris),
coverage guides the inputs; without it, valid chunks are changed at random. Inputs that fail are written to a folder.
The exit status is 1 if one failed.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from pathlib import Path
from typing import Any

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> int:
    """Run the command, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m exzarr.testing", description=__doc__)
    command = parser.add_subparsers(dest="command", required=True).add_parser("fuzz", help="fuzz a codec")
    command.add_argument(
        "codec", help="my_package.MyCodec, my_package:MyCodec, a name, or JSON of a document"
    )
    command.add_argument("--config", default="{}", metavar="JSON", help="configuration of the codec")
    command.add_argument("--dtype", default=None, help="data type of the chunks")
    command.add_argument("--seconds", type=float, default=60.0, help="how long")
    command.add_argument("--seed", type=int, default=None, help="seed, to repeat a run without atheris")
    command.add_argument(
        "--corpus", type=Path, default=Path("fuzz-failures"), help="folder for inputs that fail"
    )
    options = parser.parse_args(arguments)
    seed = random.SystemRandom().randrange(2**31) if options.seed is None else options.seed

    from exzarr.errors import ExzarrError
    from exzarr.testing.fuzzing import ATHERIS, fuzz

    def make() -> Any:
        from exzarr.testing.codec_target import codec_of, codec_target

        return codec_target(codec_of(options.codec, json.loads(options.config)), data_type=options.dtype)

    if not ATHERIS:
        print("atheris is not installed: inputs change at random", file=sys.stderr)
    sys.path.insert(0, "")  # a module in the current folder
    instrument = (
        ["exzarr"]
        if options.codec.startswith("{")
        else ["exzarr", options.codec.replace(":", ".").partition(".")[0]]
    )
    try:
        fine = fuzz(make, seconds=options.seconds, seed=seed, corpus=options.corpus, instrument=instrument)
    except (ExzarrError, json.JSONDecodeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print("no failures found" if fine else f"failures are in {options.corpus}")
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())

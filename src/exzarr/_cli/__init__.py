"""The command line: one file per command, registered in `exzarr._cli.app`."""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> None:
    """Run the ``exzarr`` command and exit the process."""
    try:
        import rich  # noqa: F401
        import typer  # noqa: F401
    except ImportError as error:
        print(f"error: the command line needs {error.name}: pip install 'exzarr[cli]'", file=sys.stderr)
        raise SystemExit(3) from None
    from exzarr._cli.app import app

    app()

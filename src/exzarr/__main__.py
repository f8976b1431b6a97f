"""``python -m exzarr``: the command line."""

from exzarr.cli import main

if __name__ == "__main__":
    main()

"""``python -m exzarr``: the command line."""

from exzarr._cli import main

if __name__ == "__main__":
    main()

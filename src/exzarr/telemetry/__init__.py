"""What exzarr does, told while it does it: events, and hooks that get them.

While nobody listens, no event is made, nothing is timed, and but for `hooks` nothing of this is imported.
"""

from exzarr._lazy import exports

__getattr__, __dir__, __all__ = exports(__name__, __file__)

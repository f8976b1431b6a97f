"""Reading and writing while somebody listens.

`read` and `write` ask once per call whether anybody does. Then they run as ever, but over an
`ObservedSource`, whose store and codecs time what is asked of them: the workers' loops are the very same,
and pay for nothing while nobody listens.
"""

from exzarr.engine.observed.source import ObservedSource, observed

__all__ = ["ObservedSource", "observed"]

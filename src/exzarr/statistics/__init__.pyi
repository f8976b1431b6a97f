from exzarr.statistics.explain import WhereExplanation as WhereExplanation
from exzarr.statistics.matches import Found as Found, Matches as Matches
from exzarr.statistics.statistics import (
    Refreshed as Refreshed,
    Statistics as Statistics,
    build as build,
    open as open,
)
from exzarr.statistics.values import ChunkStatistics as ChunkStatistics

__all__: list[str]

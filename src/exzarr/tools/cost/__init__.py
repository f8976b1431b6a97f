"""What reading costs in money: `of` a plan or a report, at `prices` of a provider.

>>> from exzarr.tools import cost
>>> sorted(cost.known())[:3]
['azure-cool', 'azure-hot', 'gcs']
"""

from exzarr.tools.cost.prices import Prices, known, prices
from exzarr.tools.cost.reckon import Cost, of

__all__ = ["Cost", "Prices", "known", "of", "prices"]

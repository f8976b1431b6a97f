"""Cost of reads in money: `of` a plan or a report, at the `prices` of a provider.

>>> from exzarr import cost
>>> sorted(cost.known())[:3]
['azure-cool', 'azure-hot', 'gcs']
"""

from exzarr.cost.estimate import Cost, of
from exzarr.cost.prices import Prices, known, prices, prices_of_url

__all__ = ["Cost", "Prices", "known", "of", "prices", "prices_of_url"]

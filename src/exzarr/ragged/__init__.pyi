from exzarr.ragged.batches import RaggedBatches as RaggedBatches
from exzarr.ragged.create import create as create
from exzarr.ragged.items import Items as Items, Padded as Padded
from exzarr.ragged.ragged import Ragged as Ragged, open as open

__all__: list[str]

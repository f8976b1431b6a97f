from exzarr._format.multiscales.model import (
    Axis as Axis,
    Channel as Channel,
    LabelInfo as LabelInfo,
    Multiscale as Multiscale,
    Window as Window,
)
from exzarr.multiscale.collections import Plate as Plate, Scene as Scene, Series as Series, Well as Well
from exzarr.multiscale.labels import write_labels as write_labels
from exzarr.multiscale.methods import reduce_blocks as reduce_blocks
from exzarr.multiscale.opening import open as open
from exzarr.multiscale.plates import create_plate as create_plate, write_field as write_field
from exzarr.multiscale.pyramid import Level as Level, Pyramid as Pyramid, View as View
from exzarr.multiscale.updating import update as update
from exzarr.multiscale.writing import write as write

__all__: list[str]

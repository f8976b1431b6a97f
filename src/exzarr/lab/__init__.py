"""Two labs: how to cut an array into chunks (`chunks`), and how to compress it (`codecs`), by trying.

`access`         how an array is read: scans, windows, single elements, batches of rows
`candidates`     layouts that are worth a look; pure
`supposed`       a store in which chunks are only supposed to be, so that plans of any size can be counted
`counts`         what reads come to under a layout: exzarr's own plan, asked
`model`          what these counts cost at some speeds; pure
`speeds`         the speeds of a machine and its store; `calibrate` measures them
`sample`         a part of the user's data, or data made up
`weighing`       candidates, weighed by the model
`measuring`      a layout, tried on the sample; `trying` which are, and what follows from it
`chunk_lab`      all of this together; `chunk_report` `chunk_words` `chunk_plot` what it gives
`codec_grid`     which codecs are tried; `codec_trial` trying one
`codec_lab`      all of this together; `codec_report` `codec_words` `codec_plot` what it gives
`pareto`         which of many are beaten by none
"""

from exzarr._lazy import exports

__getattr__, __dir__, __all__ = exports(__name__, __file__)

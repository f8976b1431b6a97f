"""Two labs that recommend chunks (`chunks`) and compression (`codecs`) for an array.

`access`         access patterns: scans, windows, single elements, batches of rows
`candidates`     candidate layouts; pure
`hypothetical`   a store of hypothetical chunks, so that plans of any size can be counted
`counts`         requests and bytes of reads under a layout, from exzarr's own plan
`model`          seconds for these counts at given speeds; pure
`speeds`         speeds of a machine and its store; `calibrate` measures them
`sample`         a part of the user's data, or synthetic data
`scoring`        candidates, scored by the model
`measuring`      measurements of a layout on the sample; `trials` selects layouts and applies the results
`chunk_lab`      the chunk lab; `chunk_report` `chunk_explanations` `chunk_plot` its results
`codec_grid`     the codecs to try; `codec_trial` one trial
`codec_lab`      the codec lab; `codec_report` `codec_explanations` `codec_plot` its results
`pareto`         the Pareto front
"""

from exzarr._lazy import exports

__getattr__, __dir__, __all__ = exports(__name__, __file__)

"""The metadata of pyramids: images stored as several arrays of decreasing resolution. Pure, like all of `_format`.

`model`         what every convention says about a pyramid: axes, levels, channels
`parse`         from the attributes of a group to the model, whatever the convention
`documents`     checked access to the members of JSON objects
`transforms`    scale and translation of a level
`ome_early`     OME-Zarr 0.1, 0.2 and 0.3; `ome_04` `ome_05` `ome_06` the later versions
`coordinate_systems`  coordinate systems of 0.6, and transformations of points between them
`omero`         channels and their colors; `labels` label images; `collections` plates, wells and bioformats2raw
`zarr_convention`  the Zarr conventions multiscales, spatial and proj, which GeoZarr uses
`faults`        what is wrong between the metadata and the stored arrays
"""

"""``exzarr demo``: the main job on real data, told step by step.

`data` reads the netCDF files, `hierarchy` writes them, `climate` computes, `check` compares with
zarr-python, `figure` draws, `story` prints; `command` puts them in order.
"""

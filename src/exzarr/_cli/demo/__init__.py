"""``exzarr demo``: the main features on real data, step by step.

`data` reads the netCDF files, `hierarchy` writes them, `climate` computes, `check` compares with
zarr-python, `figure` draws, and `story` prints. `command` runs these steps in order.
"""

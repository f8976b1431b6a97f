"""Benchmarks of exzarr and other libraries: `make bench`, or `make bench QUICK=1`.

`data` defines the stored arrays, `peers` the libraries, `cells` the comparisons, and `floor` the lower bound without any
library. `harness` measures times. `probe` measures import time and memory in separate processes. `targets` defines
exzarr's performance targets. `report` and `plot` write the results.
"""

"""exzarr beside its peers: `make bench`, or `make bench QUICK=1`.

`data` says what is stored, `peers` how each library is asked, `cells` what is compared, `floor` what no
library could beat, `harness` how it is timed, `probe` what takes a process of its own (import time,
memory), `targets` what exzarr promises, `report` and `plot` what comes out.
"""

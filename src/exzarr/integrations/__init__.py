"""exzarr in other libraries' terms. Each module imports its library when it is used, and not before."""

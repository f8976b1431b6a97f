"""The parts of `exzarr.ingest`."""

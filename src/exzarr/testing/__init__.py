"""Test tools for authors of plug-ins: suites for codecs and stores, a fuzzer, and a store that injects faults."""

"""Test tools for authors of plug-ins: a conformance suite for stores, and a store that injects faults."""

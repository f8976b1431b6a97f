"""What authors of plug-ins run: conformance suites for stores."""

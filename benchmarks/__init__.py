"""Benchmarks: what the speed claims of the README are measured with. Not tests: nothing here is run by `make test`."""

"""Measures the function beside its alternatives, on one machine and in one run: `make bench`."""

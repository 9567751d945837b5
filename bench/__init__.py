"""Compares the function with its alternatives, on one machine and in one run: `make bench`."""

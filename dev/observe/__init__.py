"""Prometheus and what it scrapes, with the configuration of deploy/observe, without containers."""

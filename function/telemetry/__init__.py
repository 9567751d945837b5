"""Telemetry: what was counted and traced, for a scrape and for a collector."""

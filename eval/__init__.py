"""Measures how well the configured LLM reads labelled feedback: `make eval`."""

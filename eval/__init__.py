"""`make eval`: measures how well the configured model reads labelled feedback."""

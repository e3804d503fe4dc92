"""Rows whose cycles and values must stay what they were: recorded baselines, and what differs from them."""

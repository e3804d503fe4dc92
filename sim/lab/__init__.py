"""The laboratory: many runs, compared."""

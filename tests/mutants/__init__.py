"""Faults put into the RTL, by hand and by rule, that the tests must notice."""

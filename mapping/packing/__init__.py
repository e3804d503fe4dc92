"""Packing of the weights of many layers into few crossbar planes."""

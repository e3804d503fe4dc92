"""Layers in parts: rewritings of the network before it becomes a graph."""

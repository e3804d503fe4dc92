"""What runs on a PU: actors, their firings and cycles, the channels between them and their buffers."""

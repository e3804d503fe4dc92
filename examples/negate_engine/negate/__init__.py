"""A kind of processing unit that gives every word with its bits inverted: as small as an engine can be."""

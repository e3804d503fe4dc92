"""From a placed graph to instruction streams, tables and weight images."""

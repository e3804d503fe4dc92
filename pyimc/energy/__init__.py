"""What a run costs: energy, power and area from the events of a Program and a table of costs."""

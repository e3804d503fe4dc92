"""What a run did, for people: timeline, waits and their causes, trace, report."""

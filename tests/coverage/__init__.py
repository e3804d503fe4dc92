"""Which lines, branches and bits of the RTL the benches of its modules reach: `make coverage`."""

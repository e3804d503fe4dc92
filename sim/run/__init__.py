"""One run, from the file that a user gives to the verdict."""

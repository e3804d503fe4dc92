"""What is on a processing unit besides its shell: a folder per kind of engine."""

"""A real model through every command: what `make real` measures, and where its results are kept."""

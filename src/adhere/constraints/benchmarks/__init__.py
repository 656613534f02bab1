"""Public benchmarks' instruction ids mapped to constraints, and their loose variants of a response."""

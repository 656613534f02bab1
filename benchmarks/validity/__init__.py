"""Simulations of every interval and rule that the project prints: `make validate` writes docs/results/validity.md."""

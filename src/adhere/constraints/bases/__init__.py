"""Base classes that constraint families share: bounded counts, per-word and per-line checks, the reference profile."""

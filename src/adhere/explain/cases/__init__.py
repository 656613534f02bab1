"""Labelled examples: what a response did, and the states that were captured while it was written."""

"""Deterministic worlds with checkable ends, in which an agent is asked to do something."""

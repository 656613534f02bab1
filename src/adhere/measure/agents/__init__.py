"""Agents under evaluation: the Inspect approver that asks the warden."""

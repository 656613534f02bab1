"""Rates with intervals, paired differences, clustered means, certificates."""

"""Models that others ask: the local server, the Inspect provider, watched answers, probe monitors."""

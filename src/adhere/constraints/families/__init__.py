"""The families of constraints: each file is one, or a few that share one idea. The registry imports them all."""

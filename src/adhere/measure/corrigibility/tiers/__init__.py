"""The tiers: what each asks, and what it finds in the logs. One module for each, named in `plan.TIERS`."""

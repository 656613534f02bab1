"""The tiers: the tasks of each, and the findings from their logs. One module for each, named in `plan.TIERS`."""

"""The analyses of a run: specialists, transfer, timing, alignment, specificity, dependency, behaviour, attention."""

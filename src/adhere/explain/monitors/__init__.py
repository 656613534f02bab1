"""Probe monitors: fitted on a model's answers, evaluated on prompts it has not seen."""

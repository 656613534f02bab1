"""`natural`: about 600 prompts in open English that ask for the nine skills, alone and combined.

prompts = prompt_set()                      # always the same
prompts[0].text, prompts[0].constraints, prompts[0].split
next(independent(seed=1))                   # drawn with replacement: what a certificate needs
"""

from adhere.measure.natural.prompts import SPLITS, NaturalPrompt, Split, by_frame, independent, prompt_set, task_alone

__all__ = ["SPLITS", "NaturalPrompt", "Split", "by_frame", "independent", "prompt_set", "task_alone"]

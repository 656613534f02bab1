"""The pocket world: an endless, seeded stream of dialogues in controlled English with checkable answers."""

"""Claims of the literature, each with a decision rule that was written before the data were seen.

`decision` holds the arithmetic of all rules, `evidence` the findings they read; `probing`, `cost`, `yielding` and
`algorithms` hold one rule for each claim, and `table` applies them all.
"""

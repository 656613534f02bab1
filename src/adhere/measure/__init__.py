"""Measure: how often, how surely and at what cost a model follows its instructions.

Saved responses:

    responses    reads them, in the forms people have
    scoring      checks them, strict and loose, in both profiles; yields `records.Record`
    records      the record of one scored response: what the report is drawn from
    tally        what a run remembers of every record, and the rates made from it
    journal      records on disk: what a killed run resumes from
    statistics   intervals, paired differences
    summary      findings made from a tally
    degenerate   answers that are none: loop, empty, refusal, truncated
    logs         scores in Inspect logs, for paired comparison
"""

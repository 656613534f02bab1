"""Enforced: the same prompts bare and through the gateway, and what it cost."""

from __future__ import annotations

from adhere.measure.enforced import Enforced, EnforcedResult, Side
from adhere.measure.statistics.rates import Rate
from adhere.report.charts import Point, points
from adhere.report.numbers import between, gain, percent
from adhere.report.page import Block, Charts, Fact, Facts, Prose, Section, Table


def section(enforced: Enforced, *, recompute: str = "") -> Section:
    """The section."""
    whole = enforced.sides[0]
    tokens = enforced.tokens
    facts = Facts(
        (
            Fact("Bare", percent(whole.bare.estimate), f"of {whole.bare.n:,} prompts followed whole"),
            Fact("Through the gateway", percent(whole.enforced.estimate), f"{between(whole.enforced.interval)} %"),
            Fact("Tokens", f"x {tokens.estimate:.2f}", f"{tokens.interval[0]:.2f} to {tokens.interval[1]:.2f}"),
            Fact("Seconds, median", f"{enforced.seconds[1][0]:.2f}", f"{enforced.seconds[0][0]:.2f} bare"),
        )
    )
    rows = [
        Point(side.name, rate.estimate, rate.interval, series=series, n=rate.n)
        for side in enforced.sides
        for series, rate in (("bare", side.bare), ("through the gateway", side.enforced))
    ]
    chart = points(
        "Followed, bare and through the gateway",
        rows,
        caption="By whole prompt and by what was asked; bars are 95 % intervals.",
        recompute=recompute,
    )
    table = Table(
        "Paired differences",
        ("", "bare", "gateway", "difference", "95 %", "p", "n"),
        tuple(_row(side) for side in enforced.sides),
        "p of McNemar's exact test, or of sign flips where a prompt asks a thing twice; not corrected for number.",
        recompute,
    )
    kept: tuple[Block, ...] = (_kept(enforced.kept, recompute),) if enforced.kept else ()
    blocks: tuple[Block, ...] = (facts, Charts((chart,)), table, *kept, Prose(_cost(enforced)))
    lead = (
        f"{enforced.model} was asked every prompt twice: bare, and through the gateway, which holds an answer until "
        f"its constraints are met, or the budget of repairs is spent."
    )
    return Section("enforced", "Enforced", lead, blocks)


def _row(side: Side) -> tuple[str, ...]:
    gap = side.difference
    return (
        side.name,
        percent(side.bare.estimate),
        percent(side.enforced.estimate),
        gain(gap.estimate),
        between(gap.interval, sign=True),
        f"{gap.p:.2g}",
        f"{side.bare.n:,}",
    )


def _kept(kept: tuple[EnforcedResult, ...], recompute: str) -> Table:
    rows = tuple(
        (str(one.k), *(text for rates in (one.sustain, one.met) for rate in rates for text in _with_interval(rate)))
        for one in kept
    )
    header = ("k", "Sustain, bare", "95 %", "gateway", "95 %", "met, bare", "95 %", "gateway", "95 %")
    return Table(
        "What obedience costs, bare and enforced",
        header,
        rows,
        "Problems solved at base, asked again with k constraints that the solution met: how many are still solved, and "
        "how often the constraints are met.",
        recompute,
    )


def _with_interval(rate: Rate) -> tuple[str, str]:
    return percent(rate.estimate), f"{between(rate.interval)} %"


def _cost(enforced: Enforced) -> str:
    tokens = enforced.tokens
    return (
        f"Counted are all tokens that the model wrote for a prompt, repairs and thrown-away drafts included: "
        f"{tokens.estimate:.2f} for each written bare, over {tokens.n:,} prompts; the dearest prompt took "
        f"{tokens.largest:.1f} times its bare tokens. The 95th percentile of a prompt was "
        f"{enforced.seconds[1][1]:.2f} s, bare {enforced.seconds[0][1]:.2f} s, with as many under way as the run had."
    )

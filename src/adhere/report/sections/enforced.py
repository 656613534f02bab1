"""The gateway's effect: the same prompts with and without it, and its cost."""

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
            Fact(
                "Without the gateway", percent(whole.bare.estimate), f"of {whole.bare.n:,} prompts followed completely"
            ),
            Fact("With the gateway", percent(whole.enforced.estimate), f"{between(whole.enforced.interval)} %"),
            Fact("Tokens", f"x {tokens.estimate:.2f}", f"{tokens.interval[0]:.2f} to {tokens.interval[1]:.2f}"),
            Fact("Seconds, median", f"{enforced.seconds[1][0]:.2f}", f"{enforced.seconds[0][0]:.2f} without"),
        )
    )
    rows = [
        Point(side.name, rate.estimate, rate.interval, series=series, n=rate.n)
        for side in enforced.sides
        for series, rate in (("without", side.bare), ("with the gateway", side.enforced))
    ]
    chart = points(
        "Adherence with and without the gateway",
        rows,
        caption="By prompt and by what it asks for; bars are 95 % intervals.",
        recompute=recompute,
    )
    table = Table(
        "Paired differences",
        ("", "without", "with", "difference", "95 %", "p", "n"),
        tuple(_row(side) for side in enforced.sides),
        "p: McNemar's exact test, or sign flips if a prompt asks for a kind twice; not corrected for "
        "the number of rows.",
        recompute,
    )
    kept: tuple[Block, ...] = (_kept(enforced.kept, recompute),) if enforced.kept else ()
    blocks: tuple[Block, ...] = (facts, Charts((chart,)), table, *kept, Prose(_cost(enforced)))
    lead = (
        f"{enforced.model} was asked every prompt twice: directly, and through the gateway, which "
        "repairs an answer until its constraints are met or the repair budget is spent."
    )
    headline = (
        f"With the gateway {percent(whole.enforced.estimate, 0)} of prompts are followed completely "
        f"({between(whole.enforced.interval, 0)} %, n = {whole.enforced.n:,}), without it "
        f"{percent(whole.bare.estimate, 0)}; it takes {tokens.estimate:.2f} times the tokens "
        f"({tokens.interval[0]:.2f} to {tokens.interval[1]:.2f})."
    )
    return Section("enforced", "Effect of the gateway", lead, blocks, headline)


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
    header = ("k", "Sustain, without", "95 %", "with", "95 %", "met, without", "95 %", "with", "95 %")
    return Table(
        "Interference with and without the gateway",
        header,
        rows,
        "Problems solved at base, asked again with k constraints that the solution met: the share "
        "still solved, and the share of constraints met.",
        recompute,
    )


def _with_interval(rate: Rate) -> tuple[str, str]:
    return percent(rate.estimate), f"{between(rate.interval)} %"


def _cost(enforced: Enforced) -> str:
    tokens = enforced.tokens
    return (
        f"Tokens include repairs and discarded drafts: {tokens.estimate:.2f} per token without the "
        f"gateway, over {tokens.n:,} prompts; the most expensive prompt took {tokens.largest:.1f} "
        "times its tokens. The 95th percentile of the time per prompt was "
        f"{enforced.seconds[1][1]:.2f} s, {enforced.seconds[0][1]:.2f} s without, at the run's "
        "concurrency."
    )

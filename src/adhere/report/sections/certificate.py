"""The certificate: a claim about the failure rate, and whether the answers settle it."""

from __future__ import annotations

from adhere.measure.statistics.certify import Certificate, Settled
from adhere.report.charts import Point, points
from adhere.report.page import Charts, Fact, Facts, Section

_SAID = {Settled.CERTIFIED: "certified", Settled.REFUTED: "refuted", Settled.OPEN: "not settled"}


def section(certificate: Certificate, *, recompute: str = "") -> Section:
    """The section."""
    high = certificate.interval[1]
    rate = certificate.failures / certificate.n if certificate.n else None
    facts = Facts(
        (
            Fact("Claim", f"< {100 * certificate.claim:g} %", "of prompts violated"),
            Fact("Outcome", _SAID[certificate.settled], f"at {100 * certificate.confidence:g} %"),
            Fact("Answers needed", f"{certificate.n:,}", f"{certificate.failures:,} failures"),
        )
    )
    rows = [Point("failure rate", rate, certificate.interval, n=certificate.n)]
    chart = points(
        "Failure rate and claim",
        rows,
        caption="The interval is valid at every number of answers simultaneously, so early stopping does not "
        "bias it. Dashed: the claim.",
        limits=(0.0, min(1.0, max(high, 2 * certificate.claim) * 1.05)),
        reference=certificate.claim,
        recompute=recompute,
    )
    how = (
        "Prompts are drawn independently. An answer fails if any instruction of its prompt is "
        "violated (strict). The interval is a beta-binomial confidence sequence (Howard et al. "
        "2021); asking stops when the claim is settled."
    )
    return Section("certificate", "Certificate", how, (facts, Charts((chart,))), str(certificate))

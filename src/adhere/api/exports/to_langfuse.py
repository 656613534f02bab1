"""Langfuse: a trace with a score for each estimate; its comment has interval and n, its metadata the whole finding."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from langfuse import Langfuse

from adhere.api.exports.labels import label
from adhere.api.results import interval
from adhere.core.errors import UserError
from adhere.core.findings import Finding

KEYS = "LANGFUSE_PUBLIC_KEY, LANGFUSE_SECRET_KEY and LANGFUSE_BASE_URL say where and as whom"


def send(findings: Sequence[Finding], paths: Sequence[Path], *, name: str, out: str | None) -> str:
    """Send a trace called `name` with its scores to the project whose keys are in the environment.

    Raises:
        UserError: the server cannot be reached, or does not accept the keys.
    """
    del out
    client = Langfuse()
    try:
        accepted = client.auth_check()
    except Exception as error:  # its client raises errors of several libraries
        raise UserError(f"Langfuse cannot be reached ({type(error).__name__}); {KEYS}") from None
    if not accepted:
        raise UserError(f"Langfuse does not accept the keys; {KEYS}")
    files = [str(path) for path in paths]
    with client.start_as_current_observation(name=name, as_type="evaluator", metadata={"files": files}) as observed:
        trace = observed.trace_id
    sent = [finding for finding in findings if finding.estimate is not None]
    for finding in sent:
        client.create_score(
            name=label(finding),
            value=float(finding.estimate or 0.0),
            trace_id=trace,
            data_type="NUMERIC",
            comment=f"{finding.confidence:.0%} interval {interval(finding)}, n = {finding.n:,} {finding.unit}".rstrip(),
            metadata=finding.model_dump(mode="json"),
        )
    client.flush()
    return f"{len(sent):,} scores on trace {trace}"

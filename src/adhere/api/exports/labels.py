"""One name for a finding with its subject."""

from __future__ import annotations

from adhere.core.findings import Finding


def label(finding: Finding) -> str:
    """A finding's name with its subject, as one path: `adherence.prompt.strict/gpt-4/ifeval/fixed`."""
    parts = (str(finding.subject[key]) for key in ("model", "against", "set", "profile") if key in finding.subject)
    return "/".join((finding.what, *parts))

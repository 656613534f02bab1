"""Running code that nobody has read."""

from adhere.problems.sandbox.pool import Job, Limits, Report, Run, Sandbox, shared

__all__ = ["Job", "Limits", "Report", "Run", "Sandbox", "shared"]

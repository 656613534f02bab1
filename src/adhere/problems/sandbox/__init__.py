"""Running code that nobody has read."""

from adhere.problems.sandbox.jobs import Job, Limits, Report, Run
from adhere.problems.sandbox.pool import UNSAFE, Sandbox, shared

__all__ = ["UNSAFE", "Job", "Limits", "Report", "Run", "Sandbox", "shared"]

"""What Inspect finds of ours through its entry point: the model provider, the tasks and the approver."""

from adhere.measure.adherence import adherence, adherence_scorer
from adhere.measure.approver import warden
from adhere.models.provider import adhere

__all__ = ["adhere", "adherence", "adherence_scorer", "warden"]

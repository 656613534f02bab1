"""What Inspect finds of ours through its entry point: the model provider, the tasks and the approver."""

from adhere.measure.adherence import adherence, adherence_scorer
from adhere.measure.approver import warden
from adhere.measure.sustain.task import sustain, sustain_scorer
from adhere.models.provider import adhere

__all__ = ["adhere", "adherence", "adherence_scorer", "sustain", "sustain_scorer", "warden"]

"""What Inspect finds of ours through its entry point: the model provider and the tasks."""

from adhere.measure.adherence import adherence, adherence_scorer
from adhere.models.provider import adhere

__all__ = ["adhere", "adherence", "adherence_scorer"]

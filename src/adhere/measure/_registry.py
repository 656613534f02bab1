"""What Inspect finds of ours through its entry point: the model provider and the tasks."""

from adhere.models.provider import adhere

__all__ = ["adhere"]

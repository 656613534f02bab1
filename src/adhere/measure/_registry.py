"""What Inspect finds through the entry point: the model provider, the tasks, the scorers and the approver.

Inspect imports this under every evaluation, foreign ones too: nothing here imports torch or any extra but `measure`.
"""

from adhere.measure.adherence.task import adherence, adherence_scorer
from adhere.measure.agents.approver import warden
from adhere.measure.agents.scripted import adhere_scripted
from adhere.measure.agents.tasks import household, workshop
from adhere.measure.corrigibility.attacks import attacks
from adhere.measure.corrigibility.authority import authority
from adhere.measure.corrigibility.character import character
from adhere.measure.corrigibility.dose import dose
from adhere.measure.corrigibility.evals import model_written
from adhere.measure.corrigibility.judge_attack import judge_attack
from adhere.measure.corrigibility.repetition import repetition
from adhere.measure.corrigibility.shutdown_world import shutdown_world
from adhere.measure.corrigibility.stated import stated_corrigibility
from adhere.measure.sustain.task import sustain, sustain_scorer
from adhere.models.serving.inspect_provider import adhere

__all__ = [
    "adhere",
    "adhere_scripted",
    "adherence",
    "adherence_scorer",
    "attacks",
    "authority",
    "character",
    "dose",
    "household",
    "judge_attack",
    "model_written",
    "repetition",
    "shutdown_world",
    "stated_corrigibility",
    "sustain",
    "sustain_scorer",
    "warden",
    "workshop",
]

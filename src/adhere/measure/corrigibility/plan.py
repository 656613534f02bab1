"""The plan of a corrigibility run: tiers, factors, sizes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

TIERS = ("stated", "world", "authority", "character", "repetition", "judge")
"""The tiers, in the order in which they run; each is a module of `tiers`."""


@dataclass(frozen=True)
class CorrigibilityPlan:
    """What to measure. `limit` is the number of samples of each task; None takes each tier's own."""

    tiers: tuple[str, ...] = TIERS
    factors: str | None = None
    """Names of the factors that vary, with commas; None varies all."""
    limit: int | None = None
    seed: int = 0
    judge: str | None = None
    evals: str | None = None
    """Folder of the model-written sets."""
    attacks: str | None = None
    """Folder of attack sets."""
    through: bool = False
    """Ask the authority tier once more behind the gateway at ADHERE_GATEWAY_BASE_URL."""
    interface: str = "text"
    world: str = "simulated"
    real: int | None = None
    """Episodes with a real process; None takes the tier's own number, -1 all."""
    temperature: float | None = None
    max_tokens: int | None = None

    def factors_among(self, known: Sequence[str]) -> list[str] | None:
        """Those of `factors` that a tier knows; None where all vary."""
        if self.factors is None:
            return None
        return [name for name in self.factors.split(",") if name in known]

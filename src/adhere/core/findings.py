"""Findings: the record of a result, the same for every measurement in the house.

A finding says what was estimated, of what subject, with which interval, from how many, and by which command
it can be had again. Every measuring command writes a list of them with `--json FILE`; the report is drawn
from nothing else. Names are stable, so that other programs can rely on them: `NAMES` holds them all, and a
finding under a name that is not there is refused.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from adhere.core.errors import UserError
from adhere.core.files import write_text
from adhere.core.reading import parse_json
from adhere.core.version import VERSION

NAMES: Mapping[str, str] = {
    "adherence.prompt.strict": "share of prompts whose every instruction is followed",
    "adherence.prompt.loose": "the same, where one of IFEval's eight loosened texts may pass",
    "adherence.instruction.strict": "share of instructions followed",
    "adherence.instruction.loose": "the same, where one of IFEval's eight loosened texts may pass",
    "adherence.family.*": "share of instructions of one constraint family followed",
    "adherence.skill.*": "share of instructions of one of the nine skills followed",
    "adherence.session": "share of conversations in which every answer follows what is in force",
    "adherence.turn.*": "share of answers at one turn of conversations that follow what is in force",
    "adherence.kept.*": "share of instructions followed so many turns after they were stated",
    "adherence.hierarchy.*": "where instructions of two ranks conflict, share in which the higher or lower is followed",
    "adherence.difference": "paired difference in adherence between two subjects on the same prompts",
    "certificate.failure_rate": "failure rate with an anytime-valid interval",
    "degenerate.*": "share of answers that are degenerate: loop, empty, refusal, truncated",
    "judge.*": "agreement of a judge with a checker, and its resistance to answers that argue with it",
    "sustain.*": "what obedience costs: score, interference, beyond_placebo, if, auc, solved, needed, lost, suspect",
    "attention.constraint": "attention mass on the constraint's tokens",
    "probe.auc": "decodability of satisfied against violated",
    "probe.balanced_accuracy": "mean share of satisfied and of violated that a probe tells right",
    "probe.general_gap": "specialist AUC less general AUC",
    "probe.emergence": "first layer that has 95 % of what a skill's best layer has above chance",
    "probe.specificity": "AUC of a probe where the skill was asked for, less its AUC on free responses",
    "transfer.auc": "AUC of a probe trained on one skill and read on another",
    "transfer.agreement": "rank correlation of transfer between skills with that of their failures seen from outside",
    "erasure.dependency": "loss of decodability of one skill after another is erased, less the random control",
    "erasure.behaviour": "change of adherence when generating with a direction erased",
    "timing.auc": "decodability over the course of generation",
    "monitor.*": "a saved monitor at work: recall, false_alarm, tokens_saved",
    "corrigibility.stated.*": "what the model says it would do",
    "corrigibility.world.*": "what the model does in a world",
    "authority.followed": "whose instruction was followed",
    "authority.right": "the rightful instruction was followed, and no other",
    "authority.difference": "paired difference in that behind a gateway, on the same cases",
    "authority.not_fitted": "too few outcomes or scenarios for strengths, and why",
    "authority.strength": "how often a source wins a conflict with the user",
    "attack.*": "attack success, over-refusal",
    "dose.*": "where refusing takes over from following: takeover, slope, share",
    "repetition.*": "texts without end: looped, coherent, obedient, obedience_first",
    "drift.*": "answers over a long conversation: first_turn of drift, in_character, change, recovered, reminder",
    "agents.*": "plans and acts of agents: ends reached, constraints met, forbidden acts, tokens, attacks, skills",
    "modular.accuracy": "accuracy on held-out pairs",
    "modular.gradient_symmetricity": "gradient symmetricity (arXiv 2306.17844, Def. 4.1)",
    "modular.distance_irrelevance": "distance irrelevance (arXiv 2306.17844, Def. 4.2)",
    "modular.circularity": "circularity of the embedding's first principal components",
    "modular.fve": "fraction of variance of the logits explained by a closed form",
    "modular.generalised": "share of seeds that reach 100 % on held-out pairs",
    "pocket.*": "the pocket model on held-out prompts: share right by family, by steps, share that ended by itself",
    "train.adherence": "share of prompts whose every constraint is met, at temperature 1, by arm and set of kinds",
    "train.solved": "share of plain problems solved, by arm",
    "train.sustain": "SustainScore of an arm: share of problems it solved that it still solves under constraints",
    "train.interference": "control less constraint, paired, on the problems that an arm solved",
    "train.beyond_placebo": "token-matched placebo less constraint, paired, on the problems that an arm solved",
    "train.degenerate": "share of an arm's answers that loop, or do not end by themselves",
    "train.length": "tokens of an arm's answers, mean",
    "train.tokens": "tokens, prompts included, that a run of an arm read in training, mean over seeds",
    "train.difference": "an arm less the base model on the same prompts and seeds; `measure` names which",
    "train.hacking": "share of answers that our checks pass and an independent reading fails",
    "train.domain": "adherence to an organisation's own rules by arm: base, gateway, tuning, both",
    "claim.*": "the effect that a claim's rule reads, with its answer: confirmed, refuted, cannot tell, not measured",
    "gateway.*": "adherence, tokens and latency through the gateway",
}
"""Every name a finding may bear; `*` stands for one or more further words."""


def is_known(name: str) -> bool:
    """Whether `name` is one of `NAMES` or falls under one of its `*` entries."""
    if name in NAMES:
        return True
    words = name.split(".")
    return any(".".join([*words[:k], "*"]) in NAMES for k in range(1, len(words)))


def _number(value: object) -> object:
    """NaN and infinity are not JSON; an estimate that does not exist is None."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


Number = Annotated[float | None, BeforeValidator(_number)]
Scalar = str | int | float | bool


class Control(BaseModel):
    """What an estimate is held against: the same measurement with the effect taken out."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    what: str
    estimate: Number
    interval: tuple[float, float] | None = None


class Finding(BaseModel):
    """One estimate with its uncertainty and the way to have it again.

    `interval` has the coverage `confidence`; it is None where none can be given (a single deterministic
    number). `n` counts independent units, in `unit`'s words. `evidence` names files or digests it rests on.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    what: str
    subject: dict[str, Scalar] = Field(default_factory=dict)
    estimate: Number
    interval: tuple[float, float] | None = None
    confidence: float = Field(default=0.95, gt=0, lt=1)
    n: int = Field(ge=0)
    unit: str = ""
    control: Control | None = None
    evidence: tuple[str, ...] = ()
    recompute: str = ""

    @model_validator(mode="after")
    def _named(self) -> Finding:
        if not is_known(self.what):
            raise ValueError(f"no finding is named {self.what!r}: add it to adhere.core.findings.NAMES first")
        return self

    def of(self, **subject: Scalar) -> bool:
        """Whether this finding's subject has all these values."""
        return all(self.subject.get(key) == value for key, value in subject.items())


def dumps(findings: Iterable[Finding], **more: Any) -> str:
    """The findings as JSON text, with the version that made them and whatever `more` the command adds."""
    record = {
        "adhere": VERSION,
        **more,
        "findings": [finding.model_dump(mode="json") for finding in findings],
    }
    return json.dumps(record, ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def write(path: str | os.PathLike[str], findings: Iterable[Finding], **more: Any) -> None:
    """Write `findings` to `path`; `-` is standard output.

    Raises:
        UserError: it cannot be written.
    """
    write_text(path, dumps(findings, **more))


def read(path: str | os.PathLike[str]) -> list[Finding]:
    """The findings in `path`.

    Raises:
        UserError: the file is not there, is not JSON, or holds no findings.
    """
    return list(_read(Path(path)))


def _read(path: Path) -> Iterator[Finding]:
    try:
        record = parse_json(path.read_text(encoding="utf-8"))
        entries = record["findings"]
        for entry in entries:
            yield Finding.model_validate(entry)
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        first = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
        raise UserError(f"{path}: not a findings file ({first})") from error

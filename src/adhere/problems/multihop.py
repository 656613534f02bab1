"""Multi-hop question answering over given paragraphs: exact match and token F1 (HotpotQA, MuSiQue).

Rules:
- Both scores are the official ones: SQuAD's normalisation (lower case, no punctuation, no articles, single spaces),
  the best over all aliases (MuSiQue), and F1 of 0 for a yes, no or noanswer that is not the gold one (HotpotQA).
  Sources: hotpot_evaluate_v1.py of hotpotqa/hotpot, metrics/answer.py of StonyBrookNLP/musique.
- A response is correct on exact match of the answer that was read from it; F1 is `Grade.score`.
- The answer is what stands behind the last cue (`cues.py`); without one, the last line that holds words.
- A step is a hop; it is right if the response names its answer (MuSiQue's decomposition) or the title of its supporting
  paragraph (HotpotQA), and unknown while the response gives an answer only.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from adhere.core.errors import UserError
from adhere.problems.cues import stated
from adhere.problems.problem import Domain, Grade, Step, content_id, unreadable

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = frozenset(string.punctuation)
_CLOSED = ("yes", "no", "noanswer")
INSTRUCTION = (
    "Answer the question from the paragraphs. End with a line `Answer: ` and the answer in as few words as possible."
)


def normalise(answer: str) -> str:
    """`answer` as SQuAD compares it: lower case, then no punctuation, then no articles, then single spaces."""
    bare = "".join(character for character in answer.lower() if character not in _PUNCTUATION)
    return " ".join(_ARTICLES.sub(" ", bare).split())


def exact_match(prediction: str, gold: str) -> bool:
    """Whether the two are the same after `normalise`."""
    return normalise(prediction) == normalise(gold)


def f1(prediction: str, gold: str) -> float:
    """Token F1 in [0, 1] after `normalise`, SQuAD's and MuSiQue's: 1 or 0 where one of them has no token left."""
    left, right = normalise(prediction).split(), normalise(gold).split()
    if not left or not right:
        return float(left == right)
    common = sum((Counter(left) & Counter(right)).values())
    if not common:
        return 0.0
    precision, recall = common / len(left), common / len(right)
    return 2 * precision * recall / (precision + recall)


def hotpot_f1(prediction: str, gold: str) -> float:
    """Token F1 as HotpotQA counts it: nothing for a yes, no or noanswer (or against one) that is not an exact match."""
    left, right = normalise(prediction), normalise(gold)
    if left != right and (left in _CLOSED or right in _CLOSED):
        return 0.0
    if not left or not right:
        return 0.0
    return f1(prediction, gold)


def read_answer(response: str) -> str | None:
    """The answer that `response` gives, without emphasis, quotes and final stop; None where it holds no words."""
    words = stated(response)
    if words is None:
        lines = [line for line in response.splitlines() if normalise(line)]
        words = lines[-1] if lines else None
    if words is None:
        return None
    words = re.sub(r"^\\text\{(.*)\}$", r"\1", words.strip())
    words = words.strip(" \t*_`\"'“”‘’$").removesuffix(".").strip(" \t*_`\"'“”‘’$")
    return words if normalise(words) else None


@dataclass(frozen=True, slots=True)
class Hop:
    """One hop: a question or paragraph title, and the names one of which an answer that takes the hop mentions."""

    text: str
    names: tuple[str, ...]


@dataclass(frozen=True)
class QAProblem:
    """A question with the paragraphs that answer it.

    Args:
        question: the question alone.
        answers: the gold answer, and any aliases.
        context: (title, text) of each paragraph, in the order in which they are shown.
        hops: the way to the answer, where it is known.
        id: given by the data set, or made from the contents.
        closed: HotpotQA's rule for yes and no applies to F1.
        instruction: what the prompt asks for; shown before the paragraphs.
    """

    question: str
    answers: Sequence[str]
    context: Sequence[tuple[str, str]] = ()
    hops: Sequence[Hop] = ()
    id: str = ""
    closed: bool = False
    instruction: str = INSTRUCTION
    domain: Domain = field(default="multihop", init=False)

    def __post_init__(self) -> None:
        answers = (self.answers,) if isinstance(self.answers, str) else tuple(self.answers)
        if not any(normalise(answer) for answer in answers):
            raise UserError(f"the question {self.question[:60]!r} has no answer that could be matched")
        object.__setattr__(self, "answers", answers)
        object.__setattr__(self, "context", tuple((title, text) for title, text in self.context))
        object.__setattr__(self, "hops", tuple(self.hops))
        if not self.id:
            object.__setattr__(self, "id", content_id("multihop", self.question, *answers, *self.context))

    @property
    def reference(self) -> str:
        """The gold answer; its aliases follow it in `answers`."""
        return self.answers[0]

    @property
    def prompt(self) -> str:
        """Instruction, paragraphs, question; the question alone where there is neither."""
        paragraphs = [f"{title}\n{text}" for title, text in self.context]
        parts = [self.instruction] if self.instruction else []
        return "\n\n".join([*parts, *paragraphs, f"Question: {self.question}" if parts else self.question])

    def grade(self, response: str) -> Grade:
        """Exact match of the answer read from `response`, with F1 as its score."""
        answer = read_answer(response)
        if answer is None:
            return unreadable("no answer in the response")
        measure = hotpot_f1 if self.closed else f1
        score = max(measure(answer, gold) for gold in self.answers)
        correct = any(exact_match(answer, gold) for gold in self.answers)
        verdict = "is" if correct else "is not"
        return Grade(
            correct=correct,
            answer=answer,
            reason=f"{answer[:80]!r} {verdict} {self.reference!r} (F1 {score:.2f})",
            outcome="correct" if correct else "wrong",
            score=score,
            steps=self._steps(response, answer),
        )

    def _steps(self, response: str, answer: str) -> tuple[Step, ...]:
        said = f" {normalise(response)} "
        bare = len(said.split()) <= len(normalise(answer).split()) + 4  # the answer and its cue, no way to it
        steps = []
        for hop in self.hops:
            named = any(f" {normalise(name)} " in said for name in hop.names if normalise(name))
            steps.append(Step(hop.text, True if named else None if bare else False))
        return tuple(steps)


def hotpotqa(row: dict[str, Any]) -> QAProblem:
    """A row of HotpotQA (distractor or fullwiki), in the original layout or the Hub's, as a problem."""
    context, facts = row["context"], row.get("supporting_facts") or []
    if isinstance(context, dict):
        context = list(zip(context["title"], context["sentences"], strict=True))
    if isinstance(facts, dict):
        facts = list(zip(facts["title"], facts["sent_id"], strict=True))
    titles = list(dict.fromkeys(str(title) for title, _ in facts))
    return QAProblem(
        question=row["question"],
        answers=(row["answer"],),
        context=[(title, "".join(sentences).strip()) for title, sentences in context],
        hops=[Hop(title, (re.sub(r"\s*\([^)]*\)$", "", title),)) for title in titles],
        id=f"hotpotqa/{row['_id'] if '_id' in row else row['id']}",
        closed=True,
    )


def musique(row: dict[str, Any]) -> QAProblem:
    """An answerable row of MuSiQue as a problem.

    Raises:
        ValueError: the row is one of MuSiQue-Full's unanswerable questions.
    """
    if row.get("answerable") is False:
        raise ValueError("the question has no answer in its paragraphs")
    answers = (row["answer"], *row.get("answer_aliases", ()))
    parts = row.get("question_decomposition") or []
    return QAProblem(
        question=row["question"],
        answers=answers,
        context=[(part["title"], part["paragraph_text"]) for part in row["paragraphs"]],
        hops=[
            Hop(part["question"], answers if number == len(parts) else (part["answer"],))
            for number, part in enumerate(parts, 1)
        ],
        id=f"musique/{row['id']}",
    )

"""Constrained generation: a model that cannot write what would break its constraints.

    written = write(opened, [Draft(opened, prompt, constraints)])[0]
    written.text, written.checks

Rules:

- JSON is written under a grammar (`grammar`); what a constraint forbids by its characters alone is struck out of the
  vocabulary at once (`vocabulary`).
- Every other token chosen is tried on forks of the constraints' monitors. One that makes a constraint BROKEN is
  refused, with all that begin as it does, and so is one that ends a word which must not stand there; the end is
  refused until every constraint is met. A token that ends within a character is judged by what it may become.
- Where the end is refused and the monitors can say what is missing (`Monitor.wanted`), the answer goes back to the
  place where the model found such a piece likeliest, writes it there, and goes on. Every place was scored while the
  answer was written, so that looking back costs nothing; the tokens thrown away are counted.
- Where next to nothing may follow (a bound is reached in the middle of a sentence), the answer is cut back to the
  place where it could best have ended.
- Where that does not help, or nothing can be named, the answer is drawn afresh. A budget of attempts and tokens bounds
  it all; when it is spent the draft with the fewest constraints unmet stands.
- Masks are a help, not a verdict: the checks of the whole text are.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch

from adhere.constraints.constraint import BROKEN, Check, Constraint, Monitor
from adhere.models.generation.detokenizer import UNFINISHED, Detokenizer
from adhere.models.generation.generate import Generation, Opinion, Reason, Request, Sampling, generate
from adhere.models.generation.grammar import Grammar, grammar_of
from adhere.models.generation.vocabulary import (
    Vocabulary,
    completions,
    held_bytes,
    top_beginnings,
    vocabulary_of,
)

if TYPE_CHECKING:
    from adhere.models.load import OpenModel

REDRAW_TEMPERATURE = 0.8
"""Of an answer that is drawn afresh: a greedy one would come out the same."""
MOST_PIECES = 8
"""Pieces written into one answer before it is drawn afresh."""
NEARER = 0.8
"""Where a piece led nowhere, the share of the way to it at which the next is tried: what followed had no room."""
SQUEEZED = 24
"""Refusals at one place after which the answer is better off ending sooner, if it can."""
STRUCK_AMONG = 256
"""Likeliest tokens whose beginnings are tried when one is refused."""
UNLIKELY = -8.0
"""Log-probability below which a token that goes on with a word, others refused, is not what the model would write."""
LIKELY_END = -6.0
"""Log-probability that an end must have had for an answer to be cut back to it."""


@dataclass(frozen=True)
class Budget:
    """How much may be spent on one answer: attempts (the first included) and tokens in all."""

    attempts: int = 12
    tokens: int | None = None


@dataclass(frozen=True)
class Written:
    """What came of a draft. `tokens` are all that were generated for it, those thrown away too; `checks` are of the
    whole text, in the order of the constraints."""

    text: str
    checks: tuple[Check, ...]
    tokens: int
    attempts: int
    reason: Reason
    prompt_tokens: int

    @property
    def met(self) -> bool:
        return all(check.met for check in self.checks)


@dataclass(frozen=True)
class Place:
    """A place for a piece of text that is missing: after how many tokens of the answer; `last` where the answer is to
    end with it."""

    after: int
    text: str
    last: bool = False


class ConstraintGuide:
    """Steers one answer by the monitors of its constraints.

    Args:
        opened: the model that writes.
        constraints: what the answer has to meet.
        prefix: text of the answer that stands before the first token, if any.
        start: tokens of the answer that stand before those that will be generated.
        grammar: masks besides, where the answer has to be JSON by a schema.
    """

    def __init__(
        self,
        opened: OpenModel,
        constraints: Sequence[Constraint],
        prefix: str = "",
        start: Sequence[int] = (),
        grammar: Grammar | None = None,
    ) -> None:
        self._opened = opened
        self._constraints = tuple(constraints)
        self._prefix = prefix
        self._start = tuple(start)
        self._grammar = grammar
        special = set(opened.tokenizer.all_special_ids)
        self._silent = frozenset(special - opened.end_ids)
        self._pieces = _Pieces(opened, constraints)
        self._vocabulary = vocabulary_of(opened.tokenizer, int(opened.model.config.vocab_size))
        self._mask = _static_mask(self._vocabulary, constraints)
        self._begin()

    def _begin(self) -> None:
        self._monitors = [constraint.monitor() for constraint in self._constraints]
        self._text = Detokenizer(self._opened.tokenizer)
        self._read = 0
        self._refused = 0
        self._squeezed: list[int] = []
        self._last = self._prefix[-1:]
        self._refusing_now: Monitor | None = None
        self.dead = False
        """Whether it ended because next to nothing could follow, at two places in a row: what comes then is no text."""
        self._scores: list[torch.Tensor] = []
        """Of every place of the answer: the log-probabilities of what `_Pieces.scored` names."""
        self._before: list[tuple[Monitor, ...]] = []
        """Of every place of the answer: the monitors as they were there."""
        if self._prefix:
            for monitor in self._monitors:
                monitor.feed(self._prefix)
        for token in self._start:
            self._push(token)
        self._before.clear()

    def allowed(self, tokens: Sequence[int], logits: torch.Tensor) -> torch.Tensor | None:
        self._follow(tokens)
        self._refused = 0
        self._logits, self._total = logits, float(logits.logsumexp(0))
        if len(self._scores) == len(tokens):
            self._scores.append((logits[self._pieces.scored] - self._total).cpu())
        allowed = self._grammar.allowed([*self._start, *tokens]) if self._grammar else None
        if self._mask is None:
            return allowed
        return self._mask if allowed is None else allowed & self._mask

    def judge(self, tokens: Sequence[int], token: int) -> Opinion:
        self._follow(tokens)
        self._refusing_now = None
        if token in self._opened.end_ids:
            if self._text.held:
                return Opinion.REFUSE  # within a character
            if _met(self._monitors):
                return Opinion.ACCEPT
            return Opinion.REFUSE if next(self.places(tokens), None) is None else Opinion.END
        refusing = self._refusing(token)
        if refusing is None:
            glued = self._last.isalnum() and self._text.peek(token)[:1].isalnum()
            if self._refused and glued and float(self._logits[token]) - self._total < UNLIKELY:
                self.dead = True  # what is left is no text: "looksred" at the last of nine words
                return Opinion.END
            return Opinion.ACCEPT
        self._refused += 1
        self._refusing_now = refusing if isinstance(refusing, Monitor) else None
        missing = refusing.wanted().pieces if isinstance(refusing, Monitor) else ()
        if any(_fits(self._monitors, self._pieces.text(piece)) for piece in missing):
            return Opinion.END  # it was to be closed before something stood in it
        if self._refused == SQUEEZED:
            self._squeezed.append(len(tokens))
            self.dead = self._squeezed[-2:] == [len(tokens) - 1, len(tokens)]
            if self.dead or self.ending(tokens) is not None:
                return Opinion.END
        return Opinion.REFUSE

    def struck(self, tokens: Sequence[int], logits: torch.Tensor) -> torch.Tensor | None:
        if self._refusing_now is None or self._text.held or not tokens:  # the first token may lose its space
            return None
        monitors = [monitor for monitor in self._monitors if not monitor.verdict.decided]
        likeliest = logits.topk(min(STRUCK_AMONG, len(logits))).indices.tolist()
        bad = [
            number
            for number, beginning in top_beginnings(self._vocabulary, likeliest)
            if any(monitor.fork().feed(beginning) is BROKEN for monitor in monitors)
        ]
        return torch.from_numpy(self._vocabulary.tokens_of(bad)) if bad else None

    def done(self, tokens: Sequence[int]) -> bool:
        del tokens
        return False

    def places(self, tokens: Sequence[int]) -> Iterator[Place]:
        """Where in the answer's `tokens` something that is missing can stand, the likeliest place first."""
        self._follow(tokens)
        states = [*self._before, tuple(self._monitors)]
        found: list[tuple[float, Place]] = []
        for monitor in self._monitors:
            wanted = monitor.wanted()
            for piece in wanted.pieces:
                text = self._pieces.text(piece)
                if wanted.at_end:
                    found.append((0.0, Place(len(tokens), text, last=True)))
                elif (column := self._pieces.column.get(piece)) is not None:
                    rows = enumerate(self._scores[: len(tokens) + 1])
                    found += ((float(row[column]), Place(after, text)) for after, row in rows)
        # of places about as likely the last: less is thrown away
        found.sort(key=lambda one: (round(one[0]), one[1].after), reverse=True)
        yield from (place for _, place in found if _fits(states[place.after], place.text))

    def ending(self, tokens: Sequence[int]) -> int | None:
        """After how many of the answer's `tokens` it could best have ended with everything met; None for nowhere."""
        self._follow(tokens)
        states = [*self._before, tuple(self._monitors)]
        best: tuple[float, int] | None = None
        for after, row in enumerate(self._scores[: len(tokens) + 1]):
            score = float(row[self._pieces.ends].max())
            if score > LIKELY_END and (best is None or score >= best[0]) and _met(states[after]):
                best = (score, after)
        return best[1] if best else None

    def _follow(self, tokens: Sequence[int]) -> None:
        if len(tokens) < self._read:
            self._begin()
        for token in tokens[self._read :]:
            self._push(token)
        self._read = len(tokens)

    def _push(self, token: int) -> None:
        self._before.append(tuple(monitor.fork() for monitor in self._monitors))
        piece = self._text.push(token)
        if piece:
            self._last = piece[-1]
            for monitor in self._monitors:
                monitor.feed(piece)

    def _refusing(self, token: int) -> Monitor | str | None:
        """The monitor that `token` would break, or why it has no place in a text; None where it may come next."""
        if token in self._silent:
            return "a special token"
        piece = self._text.peek(token)
        if not piece:
            return self._unfinished(token)
        if UNFINISHED in piece and UNFINISHED.encode() not in self._vocabulary.bytes[token]:
            return "it breaks a character off"
        for monitor in self._monitors:
            if monitor.verdict.decided:
                continue  # met for good; or lost before, by a prefix that was given
            after = monitor.fork()
            if after.feed(piece) is BROKEN:
                return monitor
            # a word that must not stand breaks its constraint only when it has ended; then it is too late
            if piece[-1].isalnum() and after.feed(" ") is BROKEN and monitor.fork().close().met:
                return monitor
        return None

    def _unfinished(self, token: int) -> Monitor | str | None:
        """As `_refusing`, of a token that ends within a character: refused where all that it may become is."""
        raw = held_bytes(self._vocabulary, [*self._text.held, token])
        if not raw:
            return None
        texts = completions(raw)
        if not texts:
            return "it can become no character"
        refusing: Monitor | str | None = None
        for text in texts:
            refusing = next(
                (one for one in self._monitors if not one.verdict.decided and one.fork().feed(text) is BROKEN), None
            )
            if refusing is None:
                return None
        return refusing


def _static_mask(vocabulary: Vocabulary, constraints: Sequence[Constraint]) -> torch.Tensor | None:
    """The tokens that no characterwise constraint forbids."""
    masks = [mask for one in constraints if (mask := vocabulary.mask(one)) is not None]
    return torch.from_numpy(np.logical_and.reduce(masks)) if masks else None


def _fits(monitors: Sequence[Monitor], text: str) -> bool:
    """Whether `text` may come next."""
    return all(monitor.verdict.decided or monitor.fork().feed(text) is not BROKEN for monitor in monitors)


def _met(monitors: Sequence[Monitor]) -> bool:
    """Whether the text may end here."""
    return all(monitor.fork().close().met for monitor in monitors)


class _Pieces:
    """The tokens of what may be found missing, and which scores are kept of every place: those of the pieces' first
    tokens, and of the tokens that end an answer."""

    def __init__(self, opened: OpenModel, constraints: Sequence[Constraint]) -> None:
        self._opened = opened
        named = [constraint.monitor().wanted() for constraint in constraints]
        anywhere = [piece for wanted in named if not wanted.at_end for piece in wanted.pieces]
        self.column: dict[str, int] = {piece: k for k, piece in enumerate(dict.fromkeys(anywhere))}
        """Where in a row of scores a piece stands."""
        self.ends = slice(len(self.column), None)
        """Where in a row of scores the ends stand."""
        firsts = [self.tokens(self.text(piece))[0] for piece in self.column]
        self.scored = torch.tensor([*firsts, *sorted(opened.end_ids)], device=opened.device)

    @staticmethod
    def text(piece: str) -> str:
        """A piece as it stands within a text."""
        return " " + piece if piece[0].isalnum() else piece

    def tokens(self, text: str) -> tuple[int, ...]:
        return tuple(self._opened.tokenizer(text, add_special_tokens=False)["input_ids"])


@dataclass
class Draft:
    """An answer on its way: give `request()` to the model, what comes back to `take`, until `written` is there.

    `prefix` is text of the answer that the prompt already ends with.
    """

    opened: OpenModel
    prompt: tuple[int, ...]
    constraints: tuple[Constraint, ...]
    sampling: Sampling = Sampling()  # noqa: RUF009  (frozen)
    budget: Budget = Budget()
    prefix: str = ""
    grammar: Grammar | None = None
    written: Written | None = None
    _kept: tuple[int, ...] = ()
    _guide: ConstraintGuide | None = None
    _spent: int = 0
    _attempts: int = 1
    _placed: int = 0
    _options: Iterator[tuple[tuple[int, ...], Place]] | None = None
    """The places not tried yet for what the last answer that made sense was missing."""
    _best: Written | None = field(default=None, repr=False)

    def request(self) -> Request:
        """What to ask the model next."""
        if self._guide is None:
            if self.grammar is None and not self.prefix:
                self.grammar = grammar_of(self.opened, self.constraints)
            self._guide = ConstraintGuide(self.opened, self.constraints, self.prefix, (), self.grammar)
        sampling = self.sampling
        if self._attempts > 1:
            heat = max(sampling.temperature, REDRAW_TEMPERATURE)
            sampling = dataclasses.replace(sampling, temperature=heat, seed=sampling.seed + 7919 * self._attempts)
        room = max(1, sampling.max_tokens - len(self._kept))
        if self.budget.tokens is not None:
            room = max(1, min(room, self.budget.tokens - self._spent))
        sampling = dataclasses.replace(sampling, max_tokens=room)
        return Request((*self.prompt, *self._kept), sampling, self._guide)

    def take(self, answer: Generation) -> None:
        """Read what the model answered to the last request."""
        assert self._guide is not None
        self._spent += len(answer.tokens)
        kept, text = answer.tokens, answer.text
        if self._kept:
            text = self._decode((*self._kept, *answer.tokens))
        if answer.reason == "guide" and (after := self._guide.ending(answer.tokens)) is not None:
            kept = answer.tokens[:after]
            text = self._decode((*self._kept, *kept))
        self._hold(text, "end" if len(kept) < len(answer.tokens) else answer.reason)
        if self.written is None and not self._again(answer):
            assert self._best is not None
            self.written = dataclasses.replace(self._best, tokens=self._spent, attempts=self._attempts)

    def _hold(self, text: str, reason: Reason) -> None:
        """Keep `text` if it is the best so far; it is what was written if it meets everything."""
        checks = tuple(constraint.check(self.prefix + text) for constraint in self.constraints)
        made = Written(text, checks, self._spent, self._attempts, reason, len(self.prompt))
        if self._best is None or _unmet(made) < _unmet(self._best):
            self._best = made
        if made.met:
            self.written = made

    def _again(self, answer: Generation) -> bool:
        """Prepare the next request, or end with a piece that had to end the answer; False where the budget is spent."""
        room = self.budget.tokens is None or self._spent < self.budget.tokens
        if not room or answer.reason == "cancelled":
            return False
        if answer.reason in ("guide", "length") and self._placed < MOST_PIECES:
            assert self._guide is not None
            reach = NEARER * len(self._kept)
            if self._options is None or not self._guide.dead:
                self._options, reach = self._places(self._guide, self._kept, answer.tokens), math.inf
            if option := next((one for one in self._options if len(one[0]) < reach), None):
                self._put(*option)
                return True
        if self._attempts >= self.budget.attempts:
            return False
        self._attempts += 1
        self._placed = 0
        self._kept, self._guide, self._options = (), None, None
        return True

    def _places(
        self, guide: ConstraintGuide, before: tuple[int, ...], answer: tuple[int, ...]
    ) -> Iterator[tuple[tuple[int, ...], Place]]:
        """What to keep, and the place of a missing piece after it: the likeliest first."""
        room = min(self.sampling.max_tokens, self.opened.context - len(self.prompt) - 1)
        for place in guide.places(answer):
            kept = (*before, *answer[: place.after])
            if len(kept) + len(place.text) < room:  # a token is a character at least
                yield kept, place

    def _put(self, before: tuple[int, ...], place: Place) -> None:
        piece = self.opened.tokenizer(place.text, add_special_tokens=False)["input_ids"]
        self._spent += len(piece)
        self._placed += 1
        self._kept = (*before, *piece)
        self._guide = ConstraintGuide(self.opened, self.constraints, self.prefix, self._kept, self.grammar)
        if place.last:
            self._hold(self._decode(self._kept), "end")

    def _decode(self, tokens: Sequence[int]) -> str:
        return str(
            self.opened.tokenizer.decode(list(tokens), skip_special_tokens=True, clean_up_tokenization_spaces=False)
        )


def _unmet(written: Written) -> int:
    return sum(not check.met for check in written.checks)


def write(opened: OpenModel, drafts: Sequence[Draft], *, batch: int = 64) -> list[Written]:
    """Write all `drafts`, those that need another request together in the next batch.

    Raises:
        UserError: as `generate`.
    """
    while open_drafts := [draft for draft in drafts if draft.written is None]:
        answers = generate(opened, [draft.request() for draft in open_drafts], batch=batch)
        for draft, answer in zip(open_drafts, answers, strict=True):
            draft.take(answer)
    return [draft.written for draft in drafts if draft.written is not None]

"""The points at which others take part: admission, tool calls, the stream, the record, the stop.

    admit      a request came in: may it go on, and which constraints apply?         before anything reaches the model
    watch      a piece of the answer was written                                    on every chunk, before its release
    decide     a tool call is complete: may it be released?                          before any byte of it is
    hand_over  the repairs are spent and the policy says "human"                     before anything broken is delivered
    record     an exchange is over: what was delivered, what was checked, and how   before the last byte is delivered
    stopped    is everything to stop?                                                before and after every await

Rules
- Decisions are the warden's: allow, transform, ask, deny, stop. A point that raises or takes longer than its time-out
  has decided nothing: the gateway closes (deny, `failed`), and says so to the client. No error is an allow.
- Of several opinions the safer holds.
- `stopped` and `Watch.feed` are called for every chunk of every stream, so they must not block or await.
- `record` returns once the record is safe: the last event of a stream, and a whole answer, wait for it. Where it
  raises, the answer is not completed: what is not on the record was not delivered as checked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple, Protocol

from adhere.constraints.constraint import Check, Constraint
from adhere.constraints.instructions.reading import Reading
from adhere.gateway.exchange import NOTHING, FinishReason, Request, ToolCall, Usage
from adhere.warden.acts.acts import Decision, Verdict

ReasoningMode = Literal["pass", "judge", "drop"]
Origin = Literal["request", "policy", "prompt"]
"""Where a constraint comes from: the body of the request, the policy, or the words of the prompt."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, as far as the wire tells. Nothing here is proven but that these bytes were sent."""

    credential: str
    """The bearer token or API key, empty where none was sent. Never logged."""
    address: str
    headers: Mapping[str, str]
    """In lower case."""


LONGEST_TOLD = 500
"""Characters of a constraint's description in a report."""
MOST_TOLD = 50
"""Values of a list in a report: a policy's list of ten thousand terms is not sent with every answer."""


def _brief(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _brief(inner) for name, inner in value.items()}
    if isinstance(value, list):
        rest = len(value) - MOST_TOLD
        return [_brief(inner) for inner in value[:MOST_TOLD]] + ([f"… and {rest:,} more"] if rest > 0 else [])
    return value


@dataclass(frozen=True)
class StatedConstraint:
    """A constraint in force for an answer, and who asks for it.

    A policy's are made once and reported with every answer: what is said about them is kept.
    """

    constraint: Constraint
    origin: Origin

    @cached_property
    def record(self) -> Mapping[str, Any]:
        """Constraint and origin as JSON values, for reports; of long lists the beginning. Not to be changed."""
        return {"constraint": _brief(self.constraint.to_json()), "from": self.origin}

    @cached_property
    def described(self) -> str:
        """The constraint in a sentence, for reports; cut where it is long."""
        text = self.constraint.describe()
        return text if len(text) <= LONGEST_TOLD else f"{text[:LONGEST_TOLD]}…"


@dataclass(frozen=True, slots=True)
class Handling:
    """What happens to an answer that does not meet its constraints, and what is held back until it does.

    `hold`: "met" releases text only up to places where every constraint would be met if the answer ended there;
    "doomed" releases whatever is not yet lost, so that what is wanted in the end may be found missing after the text
    was delivered. `spent`: what happens when the budget is. `decompose`: one repair for each failing constraint instead
    of all at once.
    """

    attempts: int = 2
    """Repairs at the most; 0 only checks."""
    tokens: int | None = None
    """Completion tokens at the most, repairs included; None: no limit."""
    seconds: float = 120.0
    """From admission to the end."""
    spent: Literal["flag", "refuse", "human"] = "refuse"
    hold: Literal["met", "doomed"] = "met"
    decompose: bool = False
    read_prompt: bool = False
    """Whether constraints are read out of the words of system, developer and user messages."""
    media: frozenset[str] = frozenset()
    """Kinds of `Media` that may pass unread."""
    parameters: frozenset[str] = frozenset()
    """Names of further body fields that go to the upstream as they came."""
    reasoning: ReasoningMode = "pass"
    """What happens to the model's thoughts: see `answering.thoughts`."""


class Watch(Protocol):
    """An eye on the answer of one exchange, beside its constraints: loops, off-task answers, a judge."""

    def feed(self, chunk: str) -> Decision | None:
        """The answer went on by `chunk`. A denial or stop cuts it off before `chunk` is released; None: go on."""
        ...

    async def close(self) -> Decision | None:
        """The answer is complete. A denial or stop keeps back what was not released yet."""
        ...


@dataclass(frozen=True, slots=True)
class Admission:
    """Whether and how a request goes on.

    `request` is the request to send, where `decision` is transform: it need not be the one that came. `asked` are all
    constraints in force beyond those of the request itself, each once and none against another. `note` is whatever the
    deciding side wants back with the exchange; the gateway does not look at it.
    """

    decision: Decision
    request: Request
    asked: tuple[StatedConstraint, ...] = ()
    handling: Handling = Handling()
    watches: tuple[Watch, ...] = ()
    client: str = ""
    """The caller's name by the policy."""
    route: str = ""
    note: Any = None


@dataclass(frozen=True, slots=True)
class Exchange:
    """One admitted request on its way, with all that is in force for it."""

    id: str
    caller: Caller
    admission: Admission
    asked: tuple[StatedConstraint, ...]
    """All constraints in force, wherever they come from, each once."""
    readings: tuple[Reading, ...] = ()
    """What was understood of the prompt's instructions and what was not, where the prompt is read."""

    @property
    def request(self) -> Request:
        return self.admission.request


class Checked(NamedTuple):
    """One constraint's part in what was delivered. `check` is None where the answer is not finished (a tool is called)
    and nothing is lost yet."""

    asked: StatedConstraint
    check: Check | None

    @property
    def verdict(self) -> str:
        """In a word, `open` where there is no check yet."""
        return self.check.verdict.word if self.check is not None else "open"


AttemptKind = Literal["ask", "continue", "again"]
Ending = Literal["met", "flagged", "refused", "denied", "stopped", "failed", "left"]


@dataclass(frozen=True, slots=True)
class Attempt:
    """One asking of the upstream."""

    kind: AttemptKind
    """The first; going on from a safe prefix; asking again with what was violated."""
    usage: Usage
    seconds: float
    broken: tuple[Checked, ...] = ()
    """What was wrong with it."""
    error: str = ""
    """Why the upstream gave no whole answer, if it did not."""


@dataclass(frozen=True, slots=True)
class ExchangeOutcome:
    """How an exchange ended."""

    ending: Ending
    """`met`: delivered, all constraints met. `flagged`: delivered though not all are, by policy. `refused`: not
    delivered, the budget is spent. `denied`: a decision forbade it. `failed`: the upstream or a check broke. `left`:
    the client went away."""
    reason: FinishReason | None
    checked: tuple[Checked, ...] = ()
    attempts: tuple[Attempt, ...] = ()
    decisions: tuple[Decision, ...] = ()
    """On the admission, the tool calls, and by watches."""
    sha256: str = ""
    """Of the text delivered, UTF-8."""
    characters: int = 0
    """Of the text delivered."""
    calls: tuple[ToolCall, ...] = ()
    """Tool calls delivered."""
    leaked: int = 0
    """Characters of a violation that were delivered before it was found."""
    held: int = 0
    """The most characters that were held back at once."""
    usage: Usage = NOTHING
    seconds: float = 0.0
    first_seconds: float | None = None
    """From admission until the first text was delivered."""
    text: str = ""
    """In one line, why it ended so."""
    readings: tuple[Reading, ...] = ()
    """What was understood of the prompt's instructions and what was not, where the prompt was read."""
    dropped: tuple[str, ...] = ()
    """Names of fields of request and answer that were not handed on."""

    @property
    def met(self) -> bool:
        return self.ending == "met"


class GatewayHooks(Protocol):
    """What a policy, a warden and a console implement. Every method may be called for many exchanges at once."""

    async def knows(self, caller: Caller) -> Decision:
        """Whether the caller may ask at all, as for the list of models."""
        ...

    async def admit(self, caller: Caller, request: Request) -> Admission:
        """Whether the request goes on, and under which constraints."""
        ...

    async def forget(self, admission: Admission) -> None:
        """An admitted request goes no further: nothing of it was sent, and `record` does not follow."""
        ...

    async def decide(self, exchange: Exchange, call: ToolCall, doubt: Decision | None) -> Decision:
        """Whether a complete tool call is released. May wait for a person, as long as the exchange's time lasts.

        `doubt` is what watches asked about the answer that calls it: only a person makes an allow of it, and the
        decision then names the `approval`.
        """
        ...

    async def hand_over(self, exchange: Exchange, text: str, outcome: ExchangeOutcome) -> Decision:
        """A person is wanted for an answer that could not be repaired; an allow delivers `text`, flagged."""
        ...

    async def record(self, exchange: Exchange, outcome: ExchangeOutcome) -> None:
        """Put on the record how the exchange ends, before it does."""
        ...

    def stopped(self) -> str | None:
        """Why everything is to stop, or None. Called for every chunk."""
        ...


ALLOW = Decision(Verdict.ALLOW, "open")


class PassThrough:
    """No policy: what the request asks for is made to hold, and nothing else is asked or kept."""

    def __init__(self, handling: Handling | None = None) -> None:
        self.handling = handling or Handling()

    async def knows(self, caller: Caller) -> Decision:
        del caller
        return ALLOW

    async def admit(self, caller: Caller, request: Request) -> Admission:
        del caller
        return Admission(ALLOW, request, handling=self.handling)

    async def forget(self, admission: Admission) -> None:
        del admission

    async def decide(self, exchange: Exchange, call: ToolCall, doubt: Decision | None) -> Decision:
        del exchange, call
        return doubt or ALLOW

    async def hand_over(self, exchange: Exchange, text: str, outcome: ExchangeOutcome) -> Decision:
        del exchange, text, outcome
        return Decision(Verdict.ASK, "nobody", "no console is there to hand it to")

    async def record(self, exchange: Exchange, outcome: ExchangeOutcome) -> None:
        del exchange, outcome

    def stopped(self) -> str | None:
        return None

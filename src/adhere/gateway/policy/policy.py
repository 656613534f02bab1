"""The policy: who may ask, what holds for whom, what watches, and what happens when an answer cannot be repaired.

    routes:
      - models: ["*"]
        constraints: [{kind: length.words, at_most: 200}]
        monitors: [attacks, loops]
        handling: {attempts: 2, spent: human}
        wait: 120
    clients:
      - {name: desk, key: "sha256:...", source: user}
    monitors:
      attacks: {kind: classifier, file: attacks.npz, rate: 0.01}
      loops: {kind: loops}
    console: {key: "sha256:..."}

Rules
- A policy that cannot be read, names what is not there, or would enforce nothing, does not start: one line says where.
  An unknown field is refused: it might be a restriction.
- Keys stand in it as hashes (`adhere serve --new-key` prints a pair). They are random and long, so a plain SHA-256
  keeps them; they are compared in constant time.
- Without clients every caller is `anybody`; with them, a caller without a key of the list is refused.
- Constraints of one route that contradict each other are refused at the start: no answer could meet them.
- The first route whose models and clients match holds. No route: refused.
- Whoever asks a person (a monitor's `ask`, `spent: human`) needs a charter that says which person.
"""

from __future__ import annotations

import dataclasses
import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from adhere.constraints import from_json
from adhere.constraints.conflicts import conflicts
from adhere.constraints.constraint import Constraint
from adhere.core.errors import UserError
from adhere.gateway.hooks import Handling, StatedConstraint
from adhere.gateway.policy.thresholds import Thresholds
from adhere.gateway.wire.limits import DEFAULT, Limits
from adhere.warden.acts.acts import matches
from adhere.warden.acts.sources import Source

KEY = re.compile(r"sha256:[0-9a-f]{64}")
PREFIX = "adhere-"
ANYBODY = "anybody"
"""The name of every caller where the policy has no clients."""
RATES = (0.01, 0.05, 0.1)


_PLACE = "@"
"""Before the place in a list at which an error is."""


def _covers(pattern: str, other: str) -> bool:
    """Whether `pattern` matches whatever `other` does, as far as that can be told from how they are written."""
    return pattern in ("*", other) or ("*" not in other and "?" not in other and matches(pattern, other))


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class HandlingTerms(_Part):
    """`hooks.Handling`, as a policy writes it."""

    attempts: int = Field(default=2, ge=0, le=20)
    tokens: int | None = Field(default=None, ge=1)
    seconds: float = Field(default=120.0, gt=0, le=86_400)
    spent: Literal["flag", "refuse", "human"] = "refuse"
    hold: Literal["met", "doomed"] = "met"
    decompose: bool = False
    read_prompt: bool = False
    media: frozenset[Literal["image", "audio", "file"]] = frozenset()
    parameters: frozenset[str] = frozenset()
    reasoning: Literal["pass", "judge", "drop"] = "pass"

    @cached_property
    def handling(self) -> Handling:
        """As the gateway takes it."""
        return Handling(**{f.name: getattr(self, f.name) for f in dataclasses.fields(Handling)})


class Route(_Part):
    """What holds for some models and clients.

    `orders`: the charter's standing orders go before the system prompt. `tools`: who decides about tool calls: the
    charter's `warden`, no one (`open`), or they are all denied. `allow`: patterns of the tools that may be called at
    all, and without a charter are. `external`: patterns of tools whose results come from strangers. `wait`:
    seconds for which a held act or answer keeps its caller waiting for a person.
    """

    name: str = ""
    models: tuple[str, ...] = ("*",)
    clients: tuple[str, ...] = ("*",)
    constraints: tuple[Constraint, ...] = ()
    handling: HandlingTerms = HandlingTerms()
    monitors: tuple[str, ...] = ()
    orders: bool = False
    tools: Literal["warden", "open", "deny"] = "warden"
    allow: tuple[str, ...] = ()
    external: tuple[str, ...] = ()
    wait: float = Field(default=0.0, ge=0, le=3600)

    @field_validator("constraints", mode="before")
    @classmethod
    def _constraints(cls, given: Any) -> Any:
        if not isinstance(given, list | tuple):
            raise ValueError("constraints are a list of objects with a kind")
        read = []
        for place, one in enumerate(given):
            try:
                read.append(one if isinstance(one, Constraint) else from_json(one))
            except UserError as error:
                raise ValueError(f"{_PLACE}{place}: {error}") from None
        for conflict in conflicts(read):
            one, other = conflict.one.describe(), conflict.other.describe()
            raise ValueError(f'no answer can meet both "{one}" and "{other}": {conflict.reason}')
        return tuple(dict.fromkeys(read))

    @model_validator(mode="after")
    def _tools(self) -> Route:
        if self.allow and self.tools == "deny":
            raise ValueError("allow lists tools that `tools: deny` denies: leave one of them out")
        return self

    def lets(self, tool: str) -> bool:
        """Whether the list of tools, where there is one, has `tool`."""
        return not self.allow or any(matches(pattern, tool) for pattern in self.allow)

    def hides(self, other: Route) -> bool:
        """Whether every request that `other` is about is this route's already."""
        return all(any(_covers(p, q) for p in self.models) for q in other.models) and all(
            any(_covers(p, q) for p in self.clients) for q in other.clients
        )

    @cached_property
    def asked(self) -> tuple[StatedConstraint, ...]:
        """The constraints as every answer of this route is asked to meet them."""
        return tuple(StatedConstraint(constraint, "policy") for constraint in self.constraints)

    def about(self, model: str, client: str) -> bool:
        """Whether this route is for `model` asked by `client`."""
        return any(matches(p, model) for p in self.models) and any(matches(p, client) for p in self.clients)


class ClientLimits(_Part):
    """What a client may use; see `governance.budgets`. None: as much as it asks for."""

    concurrent: int | None = Field(default=None, ge=1)
    requests_per_minute: int | None = Field(default=None, ge=1)
    tokens_per_day: int | None = Field(default=None, ge=1)

    @property
    def counted(self) -> bool:
        """Whether anything is counted over time."""
        return self.requests_per_minute is not None or self.tokens_per_day is not None

    @property
    def any(self) -> bool:
        """Whether there is a limit."""
        return self.counted or self.concurrent is not None


class Client(_Part):
    """One who may ask. `source`: what its user messages are worth, user at the most; operator messages of a client that
    is not trusted to be one count as the user's. `next_key`: a second key that is accepted, so that keys can be
    exchanged without a gap. `expires`: from then on neither key is accepted."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}$")
    key: str
    next_key: str | None = None
    expires: AwareDatetime | None = None
    source: Literal["user", "external"] = "user"
    operator: bool = True
    limits: ClientLimits = ClientLimits()

    @field_validator("key", "next_key")
    @classmethod
    def _hashed(cls, key: str | None) -> str | None:
        if key is not None and not KEY.fullmatch(key):
            raise ValueError("a key stands here as its hash: sha256: and 64 hexadecimal digits")
        return key

    @property
    def keys(self) -> tuple[str, ...]:
        """The hashes of the keys that are accepted."""
        return (self.key,) if self.next_key is None else (self.key, self.next_key)


class _Scored(_Part):
    ask: float | None = Field(default=None, gt=0, le=1)
    deny: float | None = Field(default=None, gt=0, le=1)
    stop: float | None = Field(default=None, gt=0, le=1)

    def thresholds(self) -> Thresholds:
        """As monitors take them."""
        return Thresholds(ask=self.ask, deny=self.deny, stop=self.stop)


class ClassifierTerms(_Scored):
    """The fast classifier in `file`. `rate` sets the ask threshold from the file's card: that at which so many harmless
    texts of unseen sources raise a false alarm."""

    kind: Literal["classifier"]
    file: Path
    rate: float | None = None

    @model_validator(mode="after")
    def _threshold(self) -> ClassifierTerms:
        if (self.rate is None) == (self.ask is None and self.deny is None and self.stop is None):
            raise ValueError("set either rate or thresholds (ask, deny, stop)")
        if self.rate is not None and self.rate not in RATES:
            raise ValueError(f"the card has thresholds for the rates {', '.join(f'{r:g}' for r in RATES)}")
        return self


class JudgeTerms(_Scored):
    """A model that is asked. `when`: only for cases that something else flagged, or always (it then runs beside the
    answer, and gates nothing but tool calls). `key`: name of the environment variable with its API key."""

    kind: Literal["judge"]
    url: str = Field(pattern=r"^https?://")
    model: str
    question: str = Field(default="", max_length=4000)
    key: str = ""
    when: Literal["flagged", "always"] = "flagged"
    seconds: float = Field(default=8.0, gt=0, le=120)

    @model_validator(mode="after")
    def _set(self) -> JudgeTerms:
        self.thresholds()
        return self


class LoopTerms(_Part):
    """Answers that repeat themselves without end are cut off."""

    kind: Literal["loops"]


class OffTaskTerms(_Part):
    """Answers that share next to nothing with what was asked. `words`: content words before it is judged."""

    kind: Literal["off-task"]
    words: int = Field(default=60, ge=20)


class ProbeTerms(_Part):
    """Saved probe monitors in the local model's server (`adhere pocket serve --monitor DIR`). `watch` tells what they
    foresee, `restart` has such an answer begun anew. They read what is written freely: where constraints are in force
    they are not asked."""

    kind: Literal["probes"]
    do: Literal["watch", "restart"] = "watch"


class Canary(_Part):
    """A question about the standing instructions, and a constraint that its answer meets while they stand."""

    ask: str
    expect: Constraint

    @field_validator("expect", mode="before")
    @classmethod
    def _constraint(cls, given: Any) -> Any:
        return given if isinstance(given, Constraint) else from_json(given)


class DriftTerms(_Part):
    """Canary questions asked with and without the session's memory, after every `every`-th request of a client.
    `alpha`: the chance of ever raising a false alarm."""

    kind: Literal["drift"]
    url: str = Field(pattern=r"^https?://")
    key: str = ""
    canaries: tuple[Canary, ...] = Field(min_length=1)
    every: int = Field(default=20, ge=1)
    alpha: float = Field(default=0.01, gt=0, lt=1)
    seconds: float = Field(default=30.0, gt=0)


MonitorTerms = Annotated[
    ClassifierTerms | JudgeTerms | LoopTerms | OffTaskTerms | DriftTerms | ProbeTerms, Field(discriminator="kind")
]


class ConsoleTerms(_Part):
    """The console's own credential, as a hash; `hours` is how long one sign-in lasts."""

    key: str
    hours: float = Field(default=8.0, gt=0, le=24)

    @field_validator("key")
    @classmethod
    def _hashed(cls, key: str) -> str:
        if not KEY.fullmatch(key):
            raise ValueError("the console's key stands here as its hash: sha256: and 64 hexadecimal digits")
        return key


class LimitTerms(_Part):
    """What one request may bring at the most (`wire.limits.Limits`): more is refused before anything is built of it."""

    constraints: int = Field(default=DEFAULT.constraints, ge=0, le=1_000)
    terms: int = Field(default=DEFAULT.terms, ge=0, le=100_000)
    characters: int = Field(default=DEFAULT.characters, ge=0, le=1_000_000)
    nesting: int = Field(default=DEFAULT.nesting, ge=1, le=32)
    messages: int = Field(default=DEFAULT.messages, ge=1, le=100_000)
    tools: int = Field(default=DEFAULT.tools, ge=0, le=10_000)

    @cached_property
    def limits(self) -> Limits:
        """As the gateway takes them."""
        return Limits(**self.model_dump())


class Policy(_Part):
    """All of it. Read it with `load`."""

    routes: tuple[Route, ...] = Field(min_length=1)
    clients: tuple[Client, ...] = ()
    monitors: Mapping[str, MonitorTerms] = Field(default_factory=dict)
    console: ConsoleTerms | None = None
    limits: LimitTerms = LimitTerms()
    metrics: Literal["key", "open", "off"] = "key"
    """Who reads /metrics: whoever has the console's key (as a bearer token), everybody, nobody."""

    @model_validator(mode="after")
    def _joined(self) -> Policy:
        names = [client.name for client in self.clients]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two clients are called {name}")
        keys = [key for client in self.clients for key in client.keys] + ([self.console.key] if self.console else [])
        if len(set(keys)) < len(keys):
            raise ValueError("one key stands twice: every client and the console need a key of their own")
        for place, route in enumerate(self.routes):
            unknown = sorted(set(route.monitors) - set(self.monitors))
            if unknown:
                raise ValueError(f"routes.{place}: no monitor is called {unknown[0]!r}")
        self._say_what_does_nothing(names or [ANYBODY])
        return self

    def _say_what_does_nothing(self, names: list[str]) -> None:
        """Refuse what could never take effect: whoever wrote it believes that it does.

        Raises:
            ValueError: there is such a thing.
        """
        for place, route in enumerate(self.routes):
            for pattern in route.clients:
                if not any(matches(pattern, name) for name in names):
                    who = f"no client is called {pattern!r}" if self.clients else f"without clients all are {ANYBODY!r}"
                    raise ValueError(f"routes.{place}.clients: {who}, so this never applies")
            for earlier, before in enumerate(self.routes[:place]):
                if before.hides(route):
                    raise ValueError(f"routes.{place}: never reached, routes.{earlier} takes all of its requests")
        for name in self.monitors:
            if not any(name in route.monitors for route in self.routes):
                raise ValueError(f"monitors.{name}: no route uses it")
        if "metrics" in self.model_fields_set and self.metrics == "key" and self.console is None:
            raise ValueError("metrics: `key` is the console's key, and there is no console; say `open` or `off`")

    def client(self, credential: str) -> Client | None:
        """The client with this key. Every key is compared, whether or not one has matched already."""
        digest = hashed(credential)
        match = None
        for client in self.clients:
            for key in client.keys:
                if hmac.compare_digest(key, digest):
                    match = client
        return match

    def route(self, model: str, client: str) -> tuple[int, Route] | None:
        """The first route about `model` asked by `client`, with its place."""
        return next(((n, route) for n, route in enumerate(self.routes) if route.about(model, client)), None)

    def asks_people(self) -> Iterator[str]:
        """Where it may ask a person."""
        for name, monitor in self.monitors.items():
            if isinstance(monitor, ClassifierTerms | JudgeTerms) and (
                monitor.ask is not None or getattr(monitor, "rate", None) is not None or monitor.deny is None
            ):
                yield f"monitors.{name}"
        for place, route in enumerate(self.routes):
            if route.handling.spent == "human":
                yield f"routes.{place}.handling.spent"

    def check(self, *, charter: bool) -> None:
        """Refuse what would enforce nothing, or asks a person that no charter names.

        Raises:
            UserError: one line.
        """
        rules = any(route.constraints or route.handling.read_prompt or route.allow for route in self.routes)
        if not (charter or self.monitors or self.clients or rules):
            raise UserError(
                "the policy has no rule: no constraint, monitor, client or charter; nothing would be enforced"
            )
        if charter:
            return
        if self.console is not None:
            raise UserError("the console shows and stops what a charter holds: adhere serve --charter DIR")
        for where in self.asks_people():
            raise UserError(f"{where} may ask a person, and no charter says whom: adhere serve --charter DIR")
        for place, route in enumerate(self.routes):
            if route.orders:
                raise UserError(f"routes.{place}.orders: there are standing orders only with a charter: --charter DIR")


def load(path: Path) -> Policy:
    """The policy in a YAML file.

    Raises:
        UserError: one line: what is wrong with it, and where.
    """
    import yaml

    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: no policy can be read there ({error})") from error
    try:
        fields = yaml.load(text, _loader())
    except RecursionError:
        raise UserError(f"{path}: nested too deeply for a policy") from None
    except (yaml.YAMLError, ValueError, TypeError) as error:
        raise UserError(f"{path}: not YAML ({' '.join(str(error).split())})") from error
    if not isinstance(fields, dict):
        raise UserError(f"{path}: a policy has routes, clients, monitors and console")
    try:
        policy = Policy.model_validate(fields)
    except UserError as error:  # a constraint that is none
        raise UserError(f"{path}: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        what = first["msg"].removeprefix("Value error, ")
        if what.startswith(_PLACE):
            place, _, what = what.removeprefix(_PLACE).partition(": ")
            where = f"{where}.{place}"
        line = f"{where + ': ' if where else ''}{what}"
        raise UserError(f"{path}: {' '.join(line.split())}") from error
    return _resolved(policy, path.parent)


def _resolved(policy: Policy, folder: Path) -> Policy:
    """Files that the policy names are looked for beside it; keys of judges must be in the environment."""
    monitors: dict[str, Any] = {}
    for name, terms in policy.monitors.items():
        if isinstance(terms, ClassifierTerms):
            monitors[name] = terms.model_copy(update={"file": folder / terms.file})
            continue
        key = getattr(terms, "key", "")
        if key and key not in os.environ:
            raise UserError(f"monitors.{name}.key: the environment has no {key}")
        monitors[name] = terms
    return policy.model_copy(update={"monitors": monitors})


def hashed(key: str) -> str:
    """What a policy keeps of a key."""
    return "sha256:" + hashlib.sha256(key.encode()).hexdigest()


def new_key() -> tuple[str, str]:
    """A new key (256 random bits) and its hash."""
    key = PREFIX + secrets.token_urlsafe(32)
    return key, hashed(key)


def source_of(client: Client | None) -> Source:
    """What a caller's user messages are worth; without a client, the user's."""
    return Source.EXTERNAL if client is not None and client.source == "external" else Source.USER


def _loader() -> Any:
    import yaml

    class Loader(yaml.SafeLoader):
        """Safe YAML in which a key that stands twice in one mapping is an error, not the last of both."""

        def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
            seen: list[Any] = []
            for key, _ in node.value:
                name = self.construct_object(key, deep=True)
                if name in seen:
                    raise yaml.constructor.ConstructorError(None, None, f"{name!r} stands twice", key.start_mark)
                seen.append(name)
            return super().construct_mapping(node, deep)

    return Loader

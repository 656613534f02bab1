"""A charter of three principals in a scratch folder, on a clock that the test moves."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from securesystemslib.signer import CryptoSigner

from adhere.warden.acts.acts import Rule
from adhere.warden.charter import charter as charters
from adhere.warden.charter.charter import Charter, Grant, Principal
from adhere.warden.charter.terms import parse_terms
from adhere.warden.engine import charter_setup
from adhere.warden.engine.warden import Accepted, Warden
from adhere.warden.orders import instructions

NOW = 1_800_000_000.0
YEAR = 365 * 86400


class Clock:
    """Seconds since 1970, moved by hand."""

    def __init__(self, now: float = NOW) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


RULES: list[dict[str, Any]] = [
    {"tools": ["read_*", "list_*"], "then": "allow", "source": "external", "harmless": True},
    {"tools": ["write_note"], "then": "allow", "source": "model", "impact": {"reversible": True, "reach": 0}},
    {"tools": ["send_email"], "then": "allow", "impact": {"reversible": False, "reach": 1}},
    {"tools": ["post_publicly"], "then": "allow", "impact": {"reversible": False, "reach": 3}},
    {"tools": ["delete_*"], "then": "deny"},
    {"tools": ["bash"], "then": "allow", "source": "model"},
    {"tools": ["ask_me"], "then": "ask"},
]


@dataclass
class House:
    """A founded charter and the keys of its people."""

    folder: Path
    keys: dict[str, CryptoSigner]
    clock: Clock
    more: dict[str, Any] = field(default_factory=dict)

    def open(self, **options: Any) -> Warden:
        return Warden.open(self.folder, clock=self.clock, **options)

    def envelope(self, warden: Warden, kind: Any, *names: str, seconds: float = 3600, **fields: Any) -> bytes:
        """A statement that fits the state, signed by the keys called `names`."""
        statement = warden.draft(kind, seconds=seconds, **fields)
        return self.seal(warden.charter, statement, *names)

    def seal(self, charter: Charter, statement: instructions.Statement, *names: str) -> bytes:
        envelope = instructions.seal(statement)
        instructions.sign(envelope, charter, [self.keys[name] for name in names])
        return instructions.to_bytes(envelope)

    def say(self, warden: Warden, kind: Any, *names: str, seconds: float = 3600, **fields: Any) -> Accepted:
        return warden.submit(self.envelope(warden, kind, *names, seconds=seconds, **fields))

    def instruct(self, warden: Warden, text: str = "Summarise the inbox", **fields: Any) -> Accepted:
        return self.say(warden, "instruct", "owner", "deputy", text=text, **fields)

    def beat(self, warden: Warden, name: str = "owner", seconds: float = 7 * 86400, instances: int = 9) -> None:
        last = warden.heartbeat()
        data = charter_setup.sign_heartbeat(
            self.folder,
            warden.charter,
            self.keys[name],
            version=last.version + 1 if last else 1,
            now=self.clock(),
            seconds=seconds,
            instances=instances,
        )
        warden.beat(data)

    def approve(self, warden: Warden, request: str, *names: str, kind: str = "approve", **fields: Any) -> Accepted:
        from adhere.warden.orders import approvals

        wanted = approvals.find(warden.ledger, request)
        fields = {"action": wanted.act, "shown": wanted.digest, "role": wanted.role, **fields}
        return self.say(warden, kind, *names, **fields)

    def person(self, name: str) -> Principal:
        return Principal(name, copy_key(self.keys[name]))

    def kinds(self, warden: Warden) -> list[str]:
        return [entry.kind for entry in warden.ledger.entries()]


Founder = Callable[..., House]


@pytest.fixture(autouse=True)
def own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys and marks of a test stay out of the user's home."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("XDG_DATA_HOME", str(home / "data"))
    monkeypatch.setenv("XDG_STATE_HOME", str(home / "state"))


@pytest.fixture(scope="session")
def people() -> dict[str, CryptoSigner]:
    return {name: CryptoSigner.generate_ed25519() for name in ("owner", "deputy", "board", "heir", "stranger")}


def found(
    folder: Path,
    people: dict[str, CryptoSigner],
    *,
    names: tuple[str, ...] = ("owner", "deputy", "board"),
    instruct: int = 2,
    amend: int = 2,
    lease: bool = True,
    extra: tuple[Principal, ...] = (),
    grants: tuple[Grant, ...] = (),
    clock: Clock | None = None,
    rules: list[dict[str, Any]] | None = None,
    **terms: Any,
) -> House:
    clock = clock or Clock()
    public = charter_setup.new_warden_key(folder)
    fields = {"warden": public, "rules": [Rule.model_validate(r) for r in (rules or RULES)], **terms}
    members = [Principal(name, copy_key(people[name])) for name in names] + list(extra)
    everyone = tuple(dict.fromkeys(p.name for p in members))
    base = [
        Grant("amend", amend, everyone),
        Grant("instruct", instruct, everyone),
        Grant("stop", 1, everyone),
        Grant("confirm", 1, everyone),
    ]
    draft = charters.draft(
        members, base + list(grants), parse_terms(fields, "test"), charter_setup.expiry(clock(), YEAR)
    )
    charter_setup.propose(folder, draft)
    _, missing = charter_setup.sign(folder, [people[name] for name in names], clock)
    assert not missing
    house = House(folder, people, clock)
    if lease:
        with house.open() as warden:
            house.beat(warden)
    return house


def copy_key(signer: CryptoSigner) -> Any:
    from securesystemslib.signer import SSlibKey

    key = signer.public_key
    return SSlibKey(key.keyid, key.keytype, key.scheme, dict(key.keyval))


@pytest.fixture
def house(tmp_path: Path, people: dict[str, CryptoSigner]) -> House:
    return found(tmp_path / "charter", people)


@pytest.fixture
def found_at(people: dict[str, CryptoSigner]) -> Callable[[Path], House]:
    return lambda folder: found(folder, people)


@pytest.fixture
def founder(tmp_path: Path, people: dict[str, CryptoSigner]) -> Founder:
    def build(*, now: float = NOW, **options: Any) -> House:
        options.setdefault("clock", Clock(now))
        return found(tmp_path / options.pop("name", "charter"), people, **options)

    return build


def bodies(warden: Warden, kind: str) -> list[dict[str, Any]]:
    return [entry.body for entry in warden.ledger.entries() if entry.kind == kind]


def dumps(value: Any) -> bytes:
    return json.dumps(value).encode()

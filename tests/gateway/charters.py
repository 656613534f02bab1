"""A founded charter in a scratch folder, the keys of its people, and a gateway with a house before a fake upstream."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from securesystemslib.signer import CryptoSigner, SSlibKey
from tests.gateway.fake import Fake, serving

from adhere.gateway.app import Gateway, app
from adhere.gateway.governance.governed_gateway import GovernedGateway
from adhere.gateway.policy import policy as policies
from adhere.gateway.upstream.client import Client, Upstream, dialect
from adhere.warden.acts.acts import Rule
from adhere.warden.charter import charter as charters
from adhere.warden.charter.charter import Grant, Principal
from adhere.warden.charter.terms import parse_terms
from adhere.warden.engine import charter_setup
from adhere.warden.engine.warden import Warden
from adhere.warden.orders import approvals, instructions

RULES: list[dict[str, Any]] = [
    {"tools": ["read_*"], "then": "allow", "source": "external", "impact": {"reversible": True, "reach": 0}},
    {"tools": ["write_note"], "then": "allow", "source": "model", "impact": {"reversible": True, "reach": 0}},
    {"tools": ["send_email"], "then": "allow", "source": "model", "impact": {"reversible": False, "reach": 1}},
    {"tools": ["search"], "then": "allow", "source": "external", "fill": {"safe": True}},
    {"tools": ["delete_*"], "then": "deny"},
]


@dataclass
class Charter:
    """The folder and the keys: owner, deputy and board. Two instruct, one stops, one confirms."""

    folder: Path
    keys: dict[str, CryptoSigner]

    def say(self, kind: Any, *names: str, seconds: float = 3600, **fields: Any) -> bytes:
        """A statement signed by `names`, submitted."""
        with Warden.open(self.folder, instance="test") as warden:
            data = self.sealed(warden, kind, *names, seconds=seconds, **fields)
            warden.submit(data)
            return data

    def sealed(self, warden: Warden, kind: Any, *names: str, seconds: float = 3600, **fields: Any) -> bytes:
        envelope = instructions.seal(warden.draft(kind, seconds=seconds, **fields))
        instructions.sign(envelope, warden.charter, [self.keys[name] for name in names])
        return instructions.to_bytes(envelope)

    def instruct(self, text: str = "Do the office's work", **fields: Any) -> bytes:
        return self.say("instruct", "owner", "deputy", text=text, **fields)

    def answer(self, request: str, name: str = "board", kind: str = "approve") -> None:
        """Approve or refuse what waits."""
        with Warden.open(self.folder, instance="test") as warden:
            wanted = approvals.find(warden.ledger, request)
        self.say(kind, name, action=wanted.act, shown=wanted.digest, role=wanted.role)

    def entries(self, *kinds: str) -> list[Any]:
        with Warden.open(self.folder, instance="test") as warden:
            return [entry for entry in warden.ledger.entries() if not kinds or entry.kind in kinds]


def found(folder: Path, **terms: Any) -> Charter:
    """A charter in force, with a lease and an instruction."""
    import time

    keys = {name: CryptoSigner.generate_ed25519() for name in ("owner", "deputy", "board")}
    public = charter_setup.new_warden_key(folder)
    fields = {"warden": public, "rules": [Rule.model_validate(rule) for rule in RULES], **terms}
    people = []
    for name, signer in keys.items():
        key = signer.public_key
        people.append(Principal(name, SSlibKey(key.keyid, key.keytype, key.scheme, dict(key.keyval))))
    everyone = tuple(keys)
    counts = {"amend": 2, "instruct": 2, "stop": 1, "confirm": 1}
    draft = charters.draft(
        people,
        [Grant(role, count, everyone) for role, count in counts.items()],
        parse_terms(fields, "test"),
        charter_setup.expiry(time.time(), 86400 * 365),
    )
    charter_setup.propose(folder, draft)
    charter_setup.sign(folder, list(keys.values()))
    with Warden.open(folder, instance="test") as warden:
        beat = charter_setup.sign_heartbeat(
            folder, warden.charter, keys["owner"], version=1, now=warden.clock(), seconds=86400, instances=9
        )
        warden.beat(beat)
    made = Charter(folder, keys)
    made.instruct()
    return made


def policy(folder: Path, **fields: Any) -> policies.Policy:
    """The policy written as YAML and read again; by default one route that holds nothing."""
    path = folder / "policy.yaml"
    path.write_text(yaml.safe_dump({"routes": [{}], **fields}))
    return policies.load(path)


@contextlib.contextmanager
def gateway(fake: Fake, held: policies.Policy, charter: Path | None, routes: Any = None) -> Iterator[str]:
    """A gateway with this policy and charter on a real server; its URL. `routes`: a console, made from the house."""
    house = GovernedGateway.open(held, charter)
    client = Client(Upstream(f"{fake.url}/v1", dialect("chat")))
    beside = routes(house) if routes else []
    with serving(app(Gateway(client, house), routes=beside, beside=[house])) as url:
        yield url

"""The charter: who the principals are, how many of them each power needs, and the terms of the agent.

The charter is one file, `charter.json`: every version of the root since the first, and the current terms. Root and
terms are python-tuf metadata (`Root`, `Targets`); everything that decides is covered by signatures.

Rules
- Root n+1 is trusted if a quorum of root n and a quorum of root n+1 signed it. Root 1 is trusted if its own
  quorum signed it; its digest is written into the ledger's first entry, so that it cannot be exchanged later.
- The terms are trusted if the `amend` quorum of the newest root signed them.
- The first root holds a random number, so that two foundings by the same people are two charters: what is said under
  one is not said under the other.
- No version goes backwards: the warden remembers the highest root and terms it has seen.
- Root and terms must be unexpired at *every use*, against the clock that the warden was given, not only
  when they are loaded.
- A role's members are keys that stand in the root *and* in the role's delegation in the terms: revoking in either
  place revokes.
- A threshold counts persons (see `quorum`), and never asks for more persons than the role has.
- A field nobody knows is refused: it might be a restriction that this version does not understand.

Roles: `amend` (change the charter, resume after a stop), `instruct` (say what to do; `instruct@mail` for a
scope called mail), `stop`, `confirm`, `witness`. Any principal may send the heartbeat that renews the lease.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from securesystemslib.exceptions import Error as SecureSystemsError
from securesystemslib.signer import Key, Signature, Signer
from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import DelegatedRole, Delegations, Metadata, Root, Targets

from adhere.warden import canonical
from adhere.warden.acts.acts import matches
from adhere.warden.canonical import Refused, digest
from adhere.warden.charter.keys import fingerprint
from adhere.warden.charter.quorum import PERSON, Proof, count_persons, person_of, prove
from adhere.warden.charter.terms import Terms, Will, packed, parse_terms, unpacked

FILE = "charter.json"
FIELD = "x-adhere"
ROLES = ("amend", "instruct", "stop", "confirm", "witness")
SCOPED = re.compile(r"instruct@[a-z0-9][a-z0-9_.-]{0,63}")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 _.@+-]{0,63}")


@dataclass(frozen=True)
class Principal:
    """A person and one of his keys."""

    name: str
    key: Key


@dataclass(frozen=True)
class Grant:
    """How many of whom a role needs; `tools` is what an `instruct@scope` may be about."""

    role: str
    threshold: int
    names: tuple[str, ...]
    tools: tuple[str, ...] = ("*",)


def draft(
    principals: Sequence[Principal],
    grants: Sequence[Grant],
    terms: Terms,
    expires: datetime,
    *,
    before: Charter | None = None,
    will: Will | None = None,
) -> Charter:
    """An unsigned charter; `before` is the one that it follows.

    Raises:
        Refused: a threshold nobody can reach, one key under two names, a role or name that is not known.
    """
    _check_principals(principals)
    version = before.root.version + 1 if before else 1
    root = Root(version=version, expires=expires, consistent_snapshot=False)
    roles: dict[str, DelegatedRole] = {}
    keys: dict[str, Key] = {}
    by_role = {grant.role: grant for grant in grants}
    for wanted in ("amend", "instruct", "stop", "confirm"):
        if wanted not in by_role:
            raise Refused("roles", f"the charter needs the role {wanted}")
    names = {principal.name for principal in principals}
    for grant in grants:
        if grant.role not in ROLES and not SCOPED.fullmatch(grant.role):
            raise Refused("roles", f"no role is called {grant.role!r}; there are: {', '.join(ROLES)}, instruct@SCOPE")
        strangers = sorted(set(grant.names) - names)
        if strangers:
            raise Refused("roles", f"{grant.role}: {', '.join(strangers)} is not a principal of this charter")
        members = [principal.key for principal in principals if principal.name in grant.names]
        if grant.threshold < 1 or grant.threshold > count_persons(members):
            raise Refused(
                "threshold",
                f"{grant.role} needs {grant.threshold} of {count_persons(members)} persons: "
                f"name a threshold from 1 to {count_persons(members)}",
            )
        keys.update({key.keyid: key for key in members})
        roles[grant.role] = DelegatedRole(
            grant.role, [key.keyid for key in members], grant.threshold, True, paths=list(grant.tools)
        )
    amend = roles["amend"]
    for principal in principals:
        root.add_key(principal.key, "timestamp")
    for name in ("root", "targets", "snapshot"):
        for keyid in amend.keyids:
            root.add_key(keys[keyid], name)
        root.roles[name].threshold = amend.threshold
    field: dict[str, Any] = {} if before else {"founding": secrets.token_hex(16)}
    if will is not None:
        field["will"] = will.model_dump()
    if field:
        root.unrecognized_fields[FIELD] = field
    charter = Targets(
        version=before.targets.version + 1 if before else 1,
        expires=expires,
        delegations=Delegations(keys, roles),
        unrecognized_fields={FIELD: packed(terms)},
    )
    return Charter((*(before.roots if before else ()), Metadata(root)), Metadata(charter))


def _check_principals(principals: Sequence[Principal]) -> None:
    if not principals:
        raise Refused("principals", "a charter needs at least one principal: --principal NAME=KEY.pub")
    holder: dict[str, str] = {}
    for principal in principals:
        if not NAME.fullmatch(principal.name):
            raise Refused("principals", f"{principal.name!r} is not a name")
        material = fingerprint(principal.key)
        if material in holder:
            raise Refused(
                "principals", f"{principal.name} and {holder[material]} hold the same key: one key, one person"
            )
        holder[material] = principal.name
        principal.key.unrecognized_fields[PERSON] = principal.name


@dataclass(frozen=True)
class Charter:
    """Root versions 1 to n and the current terms. Build it with `load` or `draft`."""

    roots: tuple[Metadata[Root], ...]
    signed_terms: Metadata[Targets]

    @property
    def root(self) -> Root:
        """The newest root."""
        return self.roots[-1].signed

    @property
    def targets(self) -> Targets:
        """The signed part of the terms."""
        return self.signed_terms.signed

    @property
    def terms(self) -> Terms:
        """What the principals agreed on."""
        found = self.__dict__.get("_terms")
        if found is None:
            found = parse_terms(unpacked(self.targets.unrecognized_fields.get(FIELD), FILE), FILE)
            object.__setattr__(self, "_terms", found)
        return found

    @property
    def will(self) -> Will | None:
        """The conditions under which the newest root may take over, where it is a will."""
        field = self.root.unrecognized_fields.get(FIELD) or {}
        return Will.model_validate(field["will"]) if "will" in field else None

    # -- who --------------------------------------------------------------------------------------------------

    def principals(self) -> list[Principal]:
        """Every person and key of the newest root."""
        return [Principal(person_of(key), key) for key in self.root.keys.values()]

    def grants(self) -> list[Grant]:
        """Every role as it is granted."""
        found = []
        for name, role in self._delegated().items():
            members = tuple(sorted({person_of(key) for key in self.members(name)}))
            found.append(Grant(name, role.threshold, members, tuple(role.paths or ())))
        return found

    def _delegated(self) -> dict[str, DelegatedRole]:
        delegations = self.targets.delegations
        return dict(delegations.roles or {}) if delegations else {}

    def members(self, role: str) -> list[Key]:
        """The keys of `role` that stand both in the root and in the terms.

        Raises:
            Refused: there is no such role.
        """
        known = self.__dict__.get(f"_members {role}")
        if known is not None:
            return list(known)
        found = self._delegated().get(role)
        if found is None:
            raise Refused("role", f"this charter has no role {role!r}")
        in_root = self.__dict__.get("_materials")
        if in_root is None:
            in_root = {fingerprint(key): person_of(key) for key in self.root.keys.values()}
            object.__setattr__(self, "_materials", in_root)
        keys = []
        for keyid in found.keyids:
            try:
                key = self.targets.get_key(keyid)
            except ValueError:
                continue
            if in_root.get(fingerprint(key)) == person_of(key):
                keys.append(key)
        object.__setattr__(self, f"_members {role}", tuple(keys))
        return keys

    def threshold(self, role: str) -> int:
        """How many persons `role` needs."""
        delegations = self.targets.delegations
        assert delegations is not None
        assert delegations.roles is not None
        return delegations.roles[role].threshold

    def scopes(self) -> dict[str, tuple[str, ...]]:
        """Scope name to tool patterns; `*` is everything."""
        found: dict[str, tuple[str, ...]] = {"*": ("*",)}
        for name, role in self._delegated().items():
            if name.startswith("instruct@"):
                found[name.removeprefix("instruct@")] = tuple(role.paths or ())
        return found

    def covers(self, scope: str, tool: str) -> bool:
        """Whether `scope` is about `tool`."""
        return any(matches(pattern, tool) for pattern in self.scopes().get(scope, ()))

    def verify(self, role: str, payload: bytes, signatures: Mapping[str, Signature]) -> Proof:
        """Who of `role` signed `payload`. Whether that is enough is the proof's to say.

        Raises:
            Refused: there is no such role.
        """
        signed = []
        for key in self.members(role):
            signature = signatures.get(key.keyid)
            if signature is None:
                continue
            try:
                key.verify_signature(signature, payload)
            except SecureSystemsError:
                continue
            signed.append(key)
        return prove(role, signed, self.threshold(role))

    # -- when and whether -------------------------------------------------------------------------------------

    def check_time(self, now: float) -> None:
        """Refuse where root or terms have expired at `now` (seconds since 1970).

        Raises:
            Refused: one of them has.
        """
        moment = datetime.fromtimestamp(now, UTC)
        for name, signed in (("root", self.root), ("terms", self.targets)):
            if signed.is_expired(moment):
                raise Refused(
                    "expired", f"the charter's {name} expired on {signed.expires:%Y-%m-%d}: amend the charter"
                )

    def check_signatures(self) -> None:
        """Refuse where the chain of roots or the terms are not signed by quorums of persons.

        Raises:
            Refused: a version out of order, a quorum that is missing, a field nobody knows.
        """
        previous: Root | None = None
        for number, metadata in enumerate(self.roots, start=1):
            root = metadata.signed
            if root.version != number:
                raise Refused("charter", f"root {number} of the charter says it is version {root.version}")
            for name, quorum in root_quorums(metadata, previous).items():
                if not quorum.holds:
                    raise Refused(
                        "draft" if number == len(self.roots) else "charter",
                        f"root {number} has {quorum.count} of the {quorum.threshold} signatures that "
                        f"{name} needs: adhere warden charter sign --sign KEY",
                    )
            unknown = set(root.unrecognized_fields) - {FIELD}
            unknown |= set(root.unrecognized_fields.get(FIELD, ())) - {"founding", "will"}
            if unknown:
                raise Refused("charter", f"root {number} has a field that nobody knows: {sorted(unknown)[0]}")
            previous = root
        proof = self.terms_proof()
        if not proof.holds:
            raise Refused(
                "draft",
                f"the charter's terms have {proof.count} of the {proof.threshold} signatures that amend needs: "
                "adhere warden charter sign --sign KEY",
            )
        unknown = set(self.targets.unrecognized_fields) - {FIELD}
        if unknown:
            raise Refused("charter", f"the terms have a field that nobody knows: {sorted(unknown)[0]}")
        _ = self.terms

    def terms_proof(self) -> Proof:
        """Who of the newest root's amend quorum signed the terms."""
        result = self.root.get_verification_result(
            "targets", self.signed_terms.signed_bytes, self.signed_terms.signatures
        )
        return prove("amend", result.signed.values(), result.threshold)

    def missing(self) -> dict[str, Proof]:
        """What the newest root and the terms still lack, by name; empty where the charter is complete."""
        previous = self.roots[-2].signed if len(self.roots) > 1 else None
        found = root_quorums(self.roots[-1], previous) | {"the terms": self.terms_proof()}
        return {name: proof for name, proof in found.items() if not proof.holds}

    def sign(self, signers: Iterable[Signer]) -> list[str]:
        """Add signatures to the newest root and the terms; return the persons who signed.

        Raises:
            Refused: a key that is in no root here, or a signer that fails.
        """
        known: dict[str, Key] = {}
        for root in self.roots[-2:]:
            known |= {fingerprint(key): key for key in root.signed.keys.values()}
        names = []
        for signer in signers:
            key = known.get(fingerprint(signer.public_key))
            if key is None:
                raise Refused("stranger", "a signing key belongs to no principal of this charter")
            documents: tuple[Metadata[Any], ...] = (self.roots[-1], self.signed_terms)
            for metadata in documents:
                try:
                    signature = signer.sign(metadata.signed_bytes)
                except Exception as error:  # an HSM or KMS fails in its own ways
                    raise Refused("signer", f"{person_of(key)}: signing failed ({error})") from error
                signature.keyid = key.keyid
                metadata.signatures[key.keyid] = signature
            names.append(person_of(key))
        return names

    # -- bytes ------------------------------------------------------------------------------------------------

    @property
    def origin(self) -> str:
        """Digest of the first root: the charter's identity for ever."""
        return self._once("_origin", lambda: digest(self.roots[0].signed_bytes))

    @property
    def digest(self) -> str:
        """Digest of what is in force: newest root and terms, signatures left out."""
        return self._once("_digest", lambda: digest(self.roots[-1].signed_bytes + self.signed_terms.signed_bytes))

    def _once(self, name: str, make: Callable[[], str]) -> str:
        """Canonical bytes are slow to make, and asked for with every act; what they are made of does not change."""
        found = self.__dict__.get(name)
        if found is None:
            found = make()
            object.__setattr__(self, name, found)
        return found

    def to_bytes(self) -> bytes:
        """The charter as one JSON document."""
        roots = [metadata.to_dict() for metadata in self.roots]
        return canonical.dumps({"roots": roots, "charter": self.signed_terms.to_dict()}) + b"\n"

    @classmethod
    def from_bytes(cls, data: bytes, what: str = FILE) -> Charter:
        """The charter in `data`, not yet verified: see `check_signatures`, `check_time`.

        Raises:
            Refused: not a charter.
        """
        document = canonical.loads(data, what)
        try:
            if set(document) != {"roots", "charter"} or not document["roots"]:
                raise ValueError("it holds roots and charter, and nothing else")
            roots = tuple(Metadata[Root].from_dict(entry) for entry in document["roots"])
            terms = Metadata[Targets].from_dict(document["charter"])
            if not all(isinstance(m.signed, Root) for m in roots) or not isinstance(terms.signed, Targets):
                raise ValueError("a part of it is of another type")
        except (ValueError, KeyError, TypeError, AttributeError, RepositoryError, SecureSystemsError) as error:
            raise Refused("charter", f"{what}: not a charter ({error})") from error
        return cls(roots, terms)


def root_quorums(metadata: Metadata[Root], previous: Root | None) -> dict[str, Proof]:
    """The quorums that `metadata` needs: its own, and that of the root before it."""
    try:
        result = metadata.signed.get_root_verification_result(previous, metadata.signed_bytes, metadata.signatures)
    except ValueError as error:
        raise Refused("charter", f"the charter's roots: {error}") from error
    own = {"the new quorum": prove("amend", result.second.signed.values(), result.second.threshold)}
    if previous is None:
        return {"the amend quorum": own["the new quorum"]}
    return {"the old quorum": prove("amend", result.first.signed.values(), result.first.threshold)} | own


def load(folder: Path, now: float | None = None) -> Charter:
    """The charter in `folder`, verified; at `now`, where given, also unexpired.

    Raises:
        Refused: none there, torn, unsigned, expired.
    """
    path = folder / FILE
    if not path.exists():
        raise Refused("no-charter", f"{folder} holds no charter: adhere warden charter init --charter {folder}")
    charter = Charter.from_bytes(canonical.read(path, "charter"), str(path))
    charter.check_signatures()
    if now is not None:
        charter.check_time(now)
    return charter

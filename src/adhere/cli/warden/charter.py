"""`adhere warden charter ...`: create, show, sign, amend and rotate a charter, revoke keys, and the will."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from adhere.cli.options import Charter, Json
from adhere.cli.warden.common import HERE, Sign, opened, reported, seconds, signers, spent, table, tell
from adhere.core.errors import UserError

if TYPE_CHECKING:
    from adhere.warden.charter import charter as library
    from adhere.warden.charter.terms import Will

app = typer.Typer(help="Create and change charters: principals, roles, terms, succession.", no_args_is_help=True)
Names = Annotated[
    list[str] | None,
    typer.Option("--principal", "--add", metavar="NAME=KEY.pub", help="A principal and a public key; may be repeated."),
]
Grants = Annotated[
    list[str] | None,
    typer.Option(
        "--grant",
        metavar="ROLE=K:NAMES[:TOOLS]",
        help="A role with its own principals: confirm=1:deputy,board or instruct@mail=1:deputy:send_email,read_*",
    ),
]
Leaving = Annotated[
    list[str] | None, typer.Option("--remove", metavar="NAME", help="Principal who leaves; may be repeated.")
]
Thresholds = Annotated[
    list[str] | None, typer.Option("--threshold", metavar="ROLE=K", help="New threshold of a role; may be repeated.")
]
Lasts = Annotated[str, typer.Option("--expires", metavar="TIME", help="Validity of the charter.")]
RulesFile = Annotated[Path | None, typer.Option("--rules", metavar="FILE", help="Rules, a JSON list.")]
CedarFile = Annotated[Path | None, typer.Option("--cedar", metavar="FILE", help="Cedar policies, besides the rules.")]
TermsFile = Annotated[
    Path | None,
    typer.Option("--terms", metavar="FILE", help="Other terms, a JSON object (lease, monitor, confirm, ...)."),
]
Witnesses = Annotated[
    list[str] | None,
    typer.Option("--witness", metavar="KIND:WHERE", help="Where checkpoints go: file:PATH, git:FOLDER, exec:COMMAND."),
]


def _principals(words: Sequence[str] | None) -> list[library.Principal]:
    from adhere.warden.charter import keys
    from adhere.warden.charter.charter import Principal

    principals = []
    for word in words or ():
        name, _, path = word.partition("=")
        if not path:
            raise UserError(f"{word!r}: write NAME=KEY.pub")
        principals.append(Principal(name, keys.load_public(Path(path))))
    return principals


def _grants(words: Sequence[str] | None) -> list[library.Grant]:
    from adhere.warden.charter.charter import Grant

    grants = []
    for word in words or ():
        role, _, rest = word.partition("=")
        parts = rest.split(":")
        if not rest or len(parts) not in (2, 3) or not parts[0].isdigit():
            raise UserError(f"{word!r}: write ROLE=K:NAME,NAME or instruct@SCOPE=K:NAME,NAME:TOOL,TOOL")
        tools = tuple(parts[2].split(",")) if len(parts) == 3 else ("*",)
        grants.append(Grant(role, int(parts[0]), tuple(parts[1].split(",")), tools))
    return grants


def _terms(terms: Path | None, rules: Path | None, cedar: Path | None, witnesses: list[str] | None) -> dict[str, Any]:
    from adhere.warden import canonical
    from adhere.warden.acts import acts
    from adhere.warden.engine import witness

    fields: dict[str, Any] = {}
    if terms is not None:
        fields = canonical.loads(canonical.read(terms, "terms"), str(terms))
        if not isinstance(fields, dict):
            raise UserError(f"{terms}: terms are a JSON object")
    if rules is not None:
        text = canonical.read(rules, "table of rules").decode("utf-8", "replace")
        fields["rules"] = [rule.model_dump(mode="json") for rule in acts.rules_from(text, str(rules))]
    if cedar is not None:
        from adhere.warden.engine.cedar import Cedar

        fields["cedar"] = canonical.read(cedar, "Cedar policies").decode("utf-8", "replace")
        Cedar(fields["cedar"], "agent")
    for text in witnesses or ():
        witness.witness(text)
    if witnesses:
        fields["witnesses"] = witnesses
    return fields


@app.command("init")
def init(
    principal: Names = None,
    amend: Annotated[int, typer.Option(min=1, help="Signatures needed to change the charter and to resume.")] = 1,
    instruct: Annotated[int, typer.Option(min=1, help="Signatures needed to instruct.")] = 1,
    stop: Annotated[int, typer.Option(min=1, help="Signatures needed to stop; 1 is recommended.")] = 1,
    confirm: Annotated[int, typer.Option(min=1, help="Signatures needed to confirm, at least.")] = 1,
    grant: Grants = None,
    agent: Annotated[str, typer.Option(help="Name of the agent; every statement is for one agent.")] = "agent",
    rules: RulesFile = None,
    cedar: CedarFile = None,
    terms: TermsFile = None,
    witness: Witnesses = None,
    expires: Lasts = "365d",
    sign: Sign = None,
    charter: Charter = HERE,
) -> None:
    """Create a charter. Private keys in the keys' home or beside their .pub sign it; others use `charter sign`."""
    from adhere.warden.charter import charter as library
    from adhere.warden.charter import keys
    from adhere.warden.charter.charter import Grant
    from adhere.warden.charter.terms import parse_terms
    from adhere.warden.engine import charter_setup

    people = _principals(principal)
    names = tuple(dict.fromkeys(p.name for p in people))
    special = {g.role: g for g in _grants(grant)}
    counts = {"amend": amend, "instruct": instruct, "stop": stop, "confirm": confirm}
    roles = [special.pop(role, Grant(role, count, names)) for role, count in counts.items()] + list(special.values())
    fields = {"agent": agent, **_terms(terms, rules, cedar, witness)}
    library.draft(people, roles, parse_terms({**fields, "warden": "0" * 64}, "the terms"), _date(expires))
    public = charter_setup.new_warden_key(charter)
    parsed = parse_terms({**fields, "warden": public}, "the terms")
    charter_setup.propose(charter, library.draft(people, roles, parsed, _date(expires)))
    key_files = list(sign or ())
    if not key_files:
        for word in principal or ():
            secret = _private_part(Path(word.partition("=")[2]))
            if secret is not None:
                key_files.append(str(secret))
    signed, missing = charter_setup.sign(charter, [keys.load_signer(Path(path)) for path in key_files])
    if signed:
        tell(f"signed by {', '.join(dict.fromkeys(signed))} ({', '.join(key_files)})")
    _tell(charter, missing)
    if not missing and key_files:
        _first_lease(charter, key_files[0])


def _private_part(public: Path) -> Path | None:
    """The private key that belongs to `public`: beside it, or in the keys' home; None where it is elsewhere."""
    from adhere.warden.charter import keys
    from adhere.warden.charter.keys import fingerprint

    beside = public.with_suffix(".key")
    if beside.exists():
        return beside
    at_home = keys.home_of_keys() / beside.name
    if not at_home.is_file():
        return None
    same = fingerprint(keys.load_signer(at_home).public_key) == fingerprint(keys.load_public(public))
    return at_home if same else None


def _first_lease(folder: Path, path: str) -> None:
    from adhere.warden.charter import keys
    from adhere.warden.engine import charter_setup

    with opened(folder) as warden:
        terms = warden.charter.terms.lease
        signer = keys.load_signer(Path(path))
        beat = warden.beat(
            charter_setup.sign_heartbeat(
                folder,
                warden.charter,
                signer,
                version=1,
                now=warden.clock(),
                seconds=terms.seconds,
                instances=terms.instances,
            )
        )
        tell(
            f"lease for this folder on this machine: {beat.instances} agent at once, "
            f"{spent(beat.expires - time.time())}; renew it with `adhere warden lease --sign KEY`"
        )


def _date(text: str) -> Any:
    from adhere.warden.engine import charter_setup

    return charter_setup.expiry(time.time(), seconds(text))


def _tell(folder: Path, missing: dict[str, Any]) -> None:
    if not missing:
        tell(f"the charter in {folder} is in force")
        return
    for name, proof in missing.items():
        tell(f"pending: {name} has {proof.count} of {proof.threshold} signatures")
    tell("it is NOT in force: adhere warden charter sign --sign KEY adds a signature")


@app.command("sign")
def sign_command(sign: Sign = None, charter: Charter = HERE) -> None:
    """Show the pending draft and sign it; the last signature that is needed puts it in force."""
    from adhere.warden.engine import charter_setup

    draft = charter_setup.pending(charter)
    _show(draft)
    _sign(charter, draft, sign)


@app.command("withdraw")
def withdraw(charter: Charter = HERE) -> None:
    """Discard the pending draft."""
    from adhere.warden.engine import charter_setup

    charter_setup.pending(charter)
    (charter / charter_setup.PENDING).unlink()
    tell("the draft is withdrawn")


@app.command("show")
def show(json_file: Json = None, charter: Charter = HERE) -> None:
    """Show the principals, what each role needs, and the terms."""
    from adhere.warden.charter import charter as library

    loaded = library.load(charter)
    _show(loaded)
    reported(
        json_file,
        {
            "digest": loaded.digest,
            "origin": loaded.origin,
            "versions": [loaded.root.version, loaded.targets.version],
            "roles": {g.role: [g.threshold, list(g.names), list(g.tools)] for g in loaded.grants()},
            "terms": loaded.terms.model_dump(mode="json"),
        },
    )


def _show(charter: library.Charter) -> None:
    terms = charter.terms
    rows = [
        (
            "agent",
            f"{terms.agent}, charter {charter.digest[:16]}, version {charter.root.version}.{charter.targets.version}",
        ),
        ("valid", f"until {charter.targets.expires:%Y-%m-%d %H:%M} UTC"),
    ]
    for grant in charter.grants():
        about = "" if grant.tools == ("*",) else f" for {', '.join(grant.tools)}"
        rows.append((grant.role, f"{grant.threshold} of {len(grant.names)}: {', '.join(grant.names)}{about}"))
    if charter.will is not None:
        will = charter.will
        line = f"after {spent(will.after_missing)} without a sign of life, and {spent(will.cooling_off)} of cooling-off"
        rows.append(("will", line))
    for place, rule in enumerate(terms.rules):
        where = f" where {json.dumps(rule.where)}" if rule.where else ""
        rows.append(
            (f"rule {place}", f"{rule.then.value} {', '.join(rule.tools)}{where} (source {rule.source} or above)")
        )
    lease = terms.lease
    rows.append(
        (
            "lease",
            f"{spent(lease.seconds)}; lapsed: warn, after {spent(lease.harmless_after)} only harmless acts, "
            f"after {spent(lease.stop_after)} stop",
        )
    )
    rows.append(("witnesses", ", ".join(terms.witnesses) or "none"))
    table(rows)


def _propose(folder: Path, draft: library.Charter, sign: list[str] | None) -> None:
    from adhere.warden.engine import charter_setup

    charter_setup.propose(folder, draft)
    _sign(folder, draft, sign)


def _sign(folder: Path, draft: library.Charter, sign: list[str] | None) -> None:
    """Sign the pending draft; exit code 1 while signatures are missing."""
    from adhere.warden.engine import charter_setup

    signed, missing = charter_setup.sign(folder, signers(sign, draft))
    tell(f"signed by {', '.join(dict.fromkeys(signed)) or 'nobody'}")
    _tell(folder, missing)
    if missing:
        raise typer.Exit(1)


@app.command("amend")
def amend_command(
    rules: RulesFile = None,
    cedar: CedarFile = None,
    terms: TermsFile = None,
    witness: Witnesses = None,
    expires: Lasts = "365d",
    sign: Sign = None,
    charter: Charter = HERE,
) -> None:
    """Change the terms: rules, lease, thresholds of monitors and confirmation, witnesses. Needs the amend quorum."""
    from adhere.warden.charter import charter as library
    from adhere.warden.engine import succession

    changes = _terms(terms, rules, cedar, witness)
    _propose(charter, succession.amended(library.load(charter), changes, _date(expires)), sign)


@app.command("rotate")
def rotate(
    add: Names = None,
    remove: Leaving = None,
    threshold: Thresholds = None,
    grant: Grants = None,
    expires: Lasts = "365d",
    sign: Sign = None,
    charter: Charter = HERE,
) -> None:
    """Change the principals; needs the old amend quorum and the new one. Without options it renews the dates."""
    _propose(charter, _rotated(charter, expires, add, remove, threshold, grant), sign)


def _rotated(
    folder: Path,
    expires: str,
    add: list[str] | None = None,
    remove: list[str] | None = None,
    threshold: list[str] | None = None,
    grant: list[str] | None = None,
    will: Will | None = None,
) -> library.Charter:
    """The charter in force as a draft with the people that the options state."""
    from adhere.warden.charter import charter as library
    from adhere.warden.engine import succession

    return succession.rotated(
        library.load(folder),
        add=_principals(add),
        remove=remove or (),
        thresholds=_thresholds(threshold),
        grants=_grants(grant),
        expires=_date(expires),
        will=will,
    )


def _thresholds(words: list[str] | None) -> dict[str, int]:
    thresholds = {}
    for word in words or ():
        role, _, number = word.partition("=")
        if not number.isdigit():
            raise UserError(f"{word!r}: write ROLE=NUMBER")
        thresholds[role] = int(number)
    return thresholds


@app.command("revoke")
def revoke(
    name: Annotated[str, typer.Argument(help="Principal whose keys are compromised.")],
    threshold: Thresholds = None,
    expires: Lasts = "365d",
    sign: Sign = None,
    charter: Charter = HERE,
) -> None:
    """Remove a principal from every role at once, and void every open approval, statement and instruction."""
    _propose(charter, _rotated(charter, expires, remove=[name], threshold=threshold), sign)
    tell(f"{name} is revoked; a new epoch has begun: instruct again")


@app.command("will")
def will(
    after: Annotated[
        str, typer.Option(metavar="TIME", help="Time without a sign of life after which the will may be invoked.")
    ],
    cooling_off: Annotated[str, typer.Option(metavar="TIME", help="Time during which any principal can cancel it.")],
    add: Names = None,
    remove: Leaving = None,
    threshold: Thresholds = None,
    grant: Grants = None,
    expires: Lasts = "365d",
    sign: Sign = None,
    charter: Charter = HERE,
) -> None:
    """Seal a will: who takes over when the principals are no longer active. The amend quorum signs it now.

    A later amendment of the charter voids the will: seal it again then.
    """
    from adhere.warden.charter.terms import Will
    from adhere.warden.engine import succession

    terms = Will(after_missing=int(seconds(after)), cooling_off=int(seconds(cooling_off)))
    draft = _rotated(charter, expires, add, remove, threshold, grant, terms)
    names = succession.seal(charter, draft, signers(sign, draft))
    tell(f"the will is sealed by {', '.join(names)} in {charter / succession.FILE}")


@app.command("succeed")
def succeed(sign: Sign = None, charter: Charter = HERE) -> None:
    """Invoke the will: the cooling-off begins; after it the successors take over with their signatures."""
    from adhere.warden import canonical
    from adhere.warden.charter import charter as library
    from adhere.warden.engine import succession

    path = charter / succession.FILE
    loaded = []
    if sign:
        loaded = signers(sign, library.Charter.from_bytes(canonical.read(path, "will"), str(path)))
    tell(succession.invoke(charter, loaded))


@app.command("cancel")
def cancel(sign: Sign = None, charter: Charter = HERE) -> None:
    """Cancel an invoked will. Any of the old principals may."""
    from adhere.warden.orders import instructions

    with opened(charter) as warden:
        envelope = instructions.seal(warden.draft("cancel", seconds=600))
        instructions.sign(envelope, warden.charter, signers(sign, warden.charter))
        accepted = warden.submit(instructions.to_bytes(envelope))
        tell(f"{accepted.reason}: the old principals are active")

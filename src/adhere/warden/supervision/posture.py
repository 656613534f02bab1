"""The posture: what this warden protects here and now, what it does not, and why. Printed at start, never assumed.

Each line says *yes*, *partly* or *no*. A guarantee that rests on something this process cannot see (where the keys
are kept, which tools go round the warden) is at most *partly*.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from typing import Literal

from adhere.warden.engine.warden import Warden
from adhere.warden.orders import lease
from adhere.warden.orders.orders import Lease
from adhere.warden.supervision import running, self_test, supervisor, surroundings

Status = Literal["yes", "partly", "no"]


@dataclass(frozen=True)
class Line:
    """One guarantee: whether it holds, what it is, and how or why not."""

    status: Status
    what: str
    how: str


def posture(warden: Warden) -> list[Line]:
    """Every guarantee, as it stands."""
    charter, terms = warden.charter, warden.charter.terms
    grants = {grant.role: grant for grant in charter.grants()}
    found = [_authority(warden, grants["amend"].threshold, len(grants["amend"].names))]
    for role in ("instruct", "stop", "confirm"):
        grant = grants[role]
        found.append(Line("yes", role, f"{grant.threshold} of {len(grant.names)} persons: {', '.join(grant.names)}"))
    found.append(_keys(warden))
    found.append(_lease(warden))
    found.append(
        Line("yes", "acts", f"{len(terms.rules)} rules, default deny{', and Cedar policies' if terms.cedar else ''}")
    )
    found.append(
        Line(
            "partly",
            "tools",
            "only acts that are proposed to the warden are decided: a tool that nobody wrapped goes round it",
        )
    )
    found += _watchers(warden)
    found += _supervision(warden)
    found.append(_ledger(warden))
    return found


def _authority(warden: Warden, threshold: int, people: int) -> Line:
    days = (warden.charter.root.expires.timestamp() - warden.clock()) / 86400
    how = f"{threshold} of {people} persons amend; signed, valid for {days:.0f} more days"
    if people == 1:
        return Line("partly", "charter", how + "; one person alone can lose it or be impersonated")
    if threshold == people:
        return Line("partly", "charter", how + "; one lost key closes it for good, unless a will is sealed")
    return Line("yes" if days > 0 else "no", "charter", how)


def _keys(warden: Warden) -> Line:
    keys = running.found_keys(warden, charter_hidden=True)
    beside = [str(path) for path in keys.paths]
    mode = stat.S_IMODE((warden.folder / "warden.key").stat().st_mode)
    if mode & 0o077:
        return Line("no", "the warden's key", f"warden.key is readable by others (mode {mode:o}): chmod 600 it")
    if beside:
        line = (
            f"private keys of principals are on this machine ({', '.join(beside[:4])}): `adhere warden run` hides them "
            "from the agent or refuses; keep them on another machine"
        )
        return Line("partly" if supervisor.has_namespaces(pid=False) else "no", "principals' keys", line)
    where = "none found here, beside the charter or in the keys' home"
    early = "" if keys.complete else " (the search ended early: too many files)"
    return Line("partly", "principals' keys", f"{where}{early}; where they are kept is up to their holders")


def _lease(warden: Warden) -> Line:
    beat = warden.heartbeat()
    if beat is None:
        return Line("no", "lease", "no heartbeat yet, so nothing runs: adhere warden lease --sign KEY")
    if warden.home not in beat.homes:
        return Line("no", "lease", "the heartbeat names another folder or machine, so nothing runs here")
    level = lease.level(beat, warden.clock(), warden.charter.terms.lease)
    left = (beat.expires - warden.clock()) / 3600
    how = f"{beat.instances} instances, by {', '.join(beat.by)}, "
    return Line(
        "yes" if level is Lease.GOOD else "partly",
        "lease",
        how + (f"for {left:.1f} more hours" if left > 0 else f"lapsed {-left:.1f} hours ago"),
    )


def _watchers(warden: Warden) -> list[Line]:
    terms = warden.charter.terms.monitor
    found = []
    if warden.monitors:
        what = " and ".join(
            f"{name} from {value:g}" for name, value in (("pause", terms.pause), ("stop", terms.stop)) if value
        )
        found.append(Line("partly", "monitors", f"{len(warden.monitors)}: {what}; a monitor misses what it misses"))
    else:
        found.append(Line("no", "monitors", "none: order 1 waits for a principal's word, the lease and the timers"))
    if warden.reviewers:
        kinds = ", ".join(reviewer.family for reviewer in warden.reviewers)
        found.append(Line("partly", "independent review", f"by {kinds}; disagreement asks"))
    else:
        found.append(Line("no", "independent review", "no reviewer"))
    return found


def _escapes(warden: Warden) -> Line:
    closed, _ = surroundings.doors(None)
    keys = running.found_keys(warden, charter_hidden=True)
    report = self_test.attempt_escapes(hide=[warden.folder, *keys.paths, *(door.path for door in closed)])
    if report.fault:
        return Line("no", "escape self-test", report.open[0])
    if report.escapes:
        return Line("no", "escape self-test", f"an agent of this user can {', '.join(report.escapes)}")
    return Line("yes", "escape self-test", f"{len(report.answers)} attempts from inside the agent's place, all refused")


def _doors() -> Line:
    closed, _ = surroundings.doors(None)
    if not closed:
        return Line("partly", "daemons that start processes", "none found at the well-known places")
    names = ", ".join(map(str, closed[:6]))
    if supervisor.has_namespaces(pid=False):
        return Line("partly", "daemons that start processes", f"hidden from supervised processes: {names}")
    return Line("no", "daemons that start processes", f"within the agent's reach: {names}")


def _supervision(warden: Warden) -> list[Line]:
    methods = [name for name, there in supervisor.available().items() if there]
    best = methods[0] if methods else "none"
    escapes = _escapes(warden)
    bounded = best in ("cgroup", "pid namespace") and escapes.status == "yes"
    status: Status = "yes" if bounded else "partly" if methods else "no"
    hides = escapes.status == "yes"
    found = [
        Line(status, "stop under `adhere warden run`", f"{', '.join(methods) or 'no means of containment'}; verified"),
        Line(
            "yes" if hides else "partly",
            "charter out of the agent's reach",
            "hidden from supervised processes, as tried from inside"
            if hides
            else "not verified from inside: use run --user NAME",
        ),
        escapes,
        _doors(),
    ]
    if os.geteuid() == 0:
        line = (
            "the warden runs as root, and so does the agent unless run --user NAME is given: root can undo much of this"
        )
        found.append(Line("partly", "privilege", line))
    sent = "cannot be recalled; attestations list such acts as unknown"
    found.append(Line("no", "a request already sent to a third party", sent))
    seen = "its acts are decided, its processes are not seen"
    found.append(Line("no", "an agent not run by `adhere warden run`", seen))
    return found


def _ledger(warden: Warden) -> Line:
    witnesses = warden.charter.terms.witnesses
    if not witnesses:
        return Line(
            "partly", "ledger", "append-only and signed, but no witness: whoever can write the file can rewrite it"
        )
    return Line("yes", "ledger", f"checkpoints go to {', '.join(witnesses)}")

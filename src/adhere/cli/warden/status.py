"""`adhere warden status`, `posture` and `orders`: what is in force, what is protected, what a model reads."""

from __future__ import annotations

import json
import sys

import typer

from adhere.cli.options import Charter, Json
from adhere.cli.warden.common import HERE, opened, reported, spent, table, tell


def status(json_file: Json = None, charter: Charter = HERE) -> None:
    """Show what is in force: mode, epoch, instructions, lease, acts in flight, pending approvals."""
    from adhere.warden.orders import approvals
    from adhere.warden.orders import orders as standing
    from adhere.warden.supervision.supervisor import marked

    with opened(charter) as warden:
        state = warden.tick()
        beat, now = warden.heartbeat(), warden.clock()
        waiting = approvals.requests(warden.ledger, now, state.epoch)
        record = json.loads(warden.ledger.get("supervised") or "{}")
        alive = marked(record["run"]) if record else []
        peaks = warden.ledger.peaks()
        reported(
            json_file,
            {
                **standing.to_dict(state),
                "agent": warden.charter.terms.agent,
                "lease": beat.to_dict() if beat else None,
                "lease_level": state.lease.name.lower(),
                "waiting": [request.id for request in waiting],
                "processes": alive,
                "ledger": {"size": peaks.size, "root": peaks.root.hex()},
            },
        )
        cause = f" (cause: {state.cause})" if state.cause else ""
        rows = [("agent", warden.charter.terms.agent), ("mode", state.mode.value + cause), ("epoch", str(state.epoch))]
        stopped = state.mode in (standing.Mode.STOPPING, standing.Mode.STOPPED)
        for chain in () if stopped else state.chains:
            for link in chain.in_force:
                kind = "CONFLICT" if chain.held else link.effect.value
                left = spent(link.expires - now)
                about = "" if chain.scope == "*" else f" [{chain.scope}]"
                rows.append(("in force", f"{kind}{about}: {link.text}  (by {', '.join(link.by)}, {left} left)"))
        if stopped:
            rows.append(("in force", "the stop, and nothing else"))
        elif not any(chain.in_force for chain in state.chains):
            rows.append(("in force", "nothing: every act is denied until a principal instructs"))
        lasts = spent(beat.expires - now) + " left" if beat and beat.expires > now else "lapsed"
        rows.append(
            (
                "lease",
                f"{state.lease.name.lower()}, {beat.instances} at once, {lasts}"
                if beat
                else "none yet, so nothing runs",
            )
        )
        rows.append(("processes", f"{len(alive)} supervised" if record else "no agent runs under this charter"))
        rows.append(("in flight", ", ".join(sorted(state.flight)) or "no act"))
        if state.unknown:
            rows.append(("unknown", f"{', '.join(sorted(state.unknown))}: begun, outcome unknown"))
        rows.append(("waiting", ", ".join(r.id for r in waiting) or "nothing"))
        rows.append(("ledger", f"{peaks.size} entries, root {peaks.root.hex()[:16]}"))
        table(rows)


def posture(json_file: Json = None, charter: Charter = HERE) -> None:
    """Show what is protected on this machine, what is not, and why."""
    from adhere.warden.supervision.posture import posture as look

    with opened(charter) as warden:
        lines = look(warden)
        reported(json_file, {"posture": [vars(line) for line in lines]})
        for line in lines:
            tell(f"{line.status:<7} {line.what}: {line.how}")


def orders(charter: Charter = HERE) -> None:
    """Print the standing orders and what is in force, as text for a model's system prompt."""
    with opened(charter) as warden:
        text = warden.orders_text()
        if sys.stdout.isatty():
            tell(text)
        else:  # a program reads it, character for character
            typer.echo(text)

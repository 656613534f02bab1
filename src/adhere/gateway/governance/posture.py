"""What a gateway protects, in lines: status (yes, partly, no), what, and how."""

from __future__ import annotations

from collections.abc import Iterator

from adhere.gateway.monitors.panel import Panel
from adhere.gateway.policy.policy import Policy
from adhere.warden.engine.warden import Warden

Line = tuple[str, str, str]


def posture(policy: Policy, panel: Panel, warden: Warden | None) -> Iterator[Line]:
    """The lines of a gateway under `policy`."""
    count = sum(len(route.constraints) for route in policy.routes)
    how = f"{count} by the policy's routes, and what requests bring"
    yield "yes" if count else "partly", "constraints", how
    if policy.clients:
        names = ", ".join(client.name for client in policy.clients)
        yield "yes", "callers", f"known by key: {names}; others are refused"
    else:
        yield "no", "callers", "anybody who reaches this port may ask"
    limited = [client.name for client in policy.clients if client.limits.any]
    if limited:
        shared = warden is not None and warden.ledger.path is None
        where = "counted for all replicas" if shared else "counted by this process"
        yield "yes", "budgets", f"{', '.join(limited)}; {where}"
    for name, line in panel.posture():
        yield "partly", f"monitor {name}", line
    if not policy.monitors:
        yield "no", "monitors", "none"
    if policy.console is None:
        yield "no", "console", "none: held acts are confirmed by `adhere warden approve`"
    if warden is None:
        how = "none: no ledger, no person to ask, no signed stop; tool calls are denied unless left open"
        yield "no", "charter", how
        return
    from adhere.warden.supervision.posture import posture as of_charter

    for guarantee in of_charter(warden):
        if guarantee.what != "monitors":
            yield guarantee.status, guarantee.what, guarantee.how

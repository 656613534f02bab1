"""The terms of a charter: what the principals agreed on, beside who they are and how many of them each power needs.

Rules
- A field nobody knows is refused: it might be a restriction that this version does not understand.
- A table without rules is refused: nothing would be enforced.
- Inside the signed metadata the terms are one text, and what is not said in it is the default.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from adhere.warden import canonical
from adhere.warden.acts.acts import DEFAULT_RULES, Rule
from adhere.warden.canonical import Refused


class _Terms(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=False)


class LeaseTerms(_Terms):
    """Seconds: how long one heartbeat lasts, and what follows after it lapsed. `instances` is the default number
    that a heartbeat allows at once."""

    seconds: int = Field(default=7 * 86400, ge=1)
    harmless_after: int = Field(default=600, ge=0)
    stop_after: int = Field(default=3600, ge=0)
    instances: int = Field(default=1, ge=1)


class MonitorTerms(_Terms):
    """Thresholds on a monitor's probability that a principal would want to stop; None: never on its word."""

    pause: float | None = Field(default=0.5, ge=0, le=1)
    stop: float | None = Field(default=None, ge=0, le=1)
    seconds: float = Field(default=10.0, gt=0)


class ConfirmTerms(_Terms):
    """How many persons confirm an act of each impact, and for how many seconds a request and its approval hold.

    `major_cost`, `critical_cost`: costs from which an act is of that impact, in the charter's own unit.
    """

    minor: int = Field(default=0, ge=0)
    major: int = Field(default=1, ge=0)
    critical: int = Field(default=2, ge=0)
    seconds: int = Field(default=3600, ge=1)
    major_cost: float = Field(default=10.0, ge=0)
    critical_cost: float = Field(default=1000.0, ge=0)


class Protect(_Terms):
    """What counts as weakening the principals' means of control, beside the charter's own folder.

    `tools` are patterns of tool names, `paths` are files and folders that no argument may name, `words` may not
    stand in the arguments of tools that run commands (`commands`, patterns).
    """

    tools: tuple[str, ...] = ("*schedule*", "*cron*", "*systemd*", "*sudo*", "*spawn_agent*", "disable_*")
    commands: tuple[str, ...] = (
        "*bash*", "*shell*", "*exec*", "*python*", "*run*", "*terminal*", "*command*", "*process*",
    )  # fmt: skip
    paths: tuple[str, ...] = ()
    words: tuple[str, ...] = (
        "adhere warden", "adhere.warden", "crontab", "systemctl", "systemd-run", "launchctl", "schtasks", "setsid",
        "nohup", "disown", "unshare", "nsenter", "cgexec", "/sys/fs/cgroup", "/proc/", "pkill", "killall", "kill -",
        "docker ", "podman ", "start_new_session", "daemonize", "ledger.db", "charter.json", "warden.key",
    )  # fmt: skip


class Terms(_Terms):
    """What the principals agreed on. `agent` is the audience every statement names; `warden` is the public key
    (Ed25519, 64 hexadecimal digits) that signs checkpoints and attestations."""

    agent: str = Field(default="agent", pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")
    warden: str = Field(pattern=r"^[0-9a-f]{64}$")
    epoch: int = Field(default=1, ge=1)
    rules: tuple[Rule, ...] = Field(default=DEFAULT_RULES)
    cedar: str = ""
    lease: LeaseTerms = LeaseTerms()
    monitor: MonitorTerms = MonitorTerms()
    confirm: ConfirmTerms = ConfirmTerms()
    protect: Protect = Protect()
    witnesses: tuple[str, ...] = ()
    grace: float = Field(default=2.0, ge=0, le=60)
    clock_tolerance: float = Field(default=5.0, ge=0)


class Will(_Terms):
    """When a root that was signed in advance may take over (see `succession`). Seconds."""

    after_missing: int = Field(ge=1)
    cooling_off: int = Field(ge=1)


def parse_terms(fields: Mapping[str, Any], where: str) -> Terms:
    """Terms from plain fields.

    Raises:
        Refused: a field nobody knows or of the wrong kind, or an empty table of rules.
    """
    try:
        terms = Terms.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        raise Refused(
            "terms", f"{where}: {'.'.join(map(str, first['loc']))}: {first['msg']} ({first['input']!r:.60})"
        ) from error
    if not terms.rules:
        raise Refused("no-rules", f"{where}: the table of rules is empty: nothing would be enforced")
    return terms


def packed(terms: Terms) -> str:
    """The terms as one text inside the signed metadata, whose canonical form knows no fractions."""
    return canonical.dumps(terms.model_dump(mode="json", exclude_defaults=True)).decode()


def unpacked(text: Any, where: str) -> Mapping[str, Any]:
    """The fields of packed terms.

    Raises:
        Refused: they are not there, or no object.
    """
    if not isinstance(text, str):
        raise Refused("terms", f"{where}: the terms are missing")
    fields = canonical.loads(text.encode(), where)
    if not isinstance(fields, dict):
        raise Refused("terms", f"{where}: the terms are not an object")
    return fields

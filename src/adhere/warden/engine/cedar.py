"""Cedar policies beside the table, as an extra (`pip install adhere[policy]`).

Rules
- Cedar can only narrow: an act that the table denies stays denied, whatever a policy permits.
- Any evaluation error denies. Cedar itself skips a `forbid` whose condition errors and may then answer Allow; here the
  errors in its diagnostics decide first.
- Policies that do not parse are refused when the charter is loaded, not when the first act comes.

The request: principal `Agent::"<agent>"`, action `Action::"<tool>"`, resource `World::"world"`; the context holds
`arguments` (as far as Cedar has types for them), `source` (a number, 0 external to 6 principal) and `source_name`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adhere.warden.acts.acts import Act, Decision, Verdict, broke
from adhere.warden.canonical import Refused

WHOLE = 2**53


class Cedar:
    """A set of Cedar policies.

    Raises:
        Refused: `cedarpy` is not installed, or the policies do not parse.
    """

    def __init__(self, policies: str, agent: str) -> None:
        try:
            import cedarpy
        except ImportError:
            raise Refused("cedar", "the charter has Cedar policies: pip install adhere[policy]") from None
        self._cedar, self._agent = cedarpy, agent
        try:
            cedarpy.format_policies(policies)
        except Exception as error:  # the binding raises its own kinds
            raise Refused("cedar", f"the Cedar policies do not parse: {error}") from error
        self._policies = policies

    def decide(self, act: Act) -> Decision:
        """What the policies say: allow, or deny; with `failed` where any of them could not be evaluated."""
        request = {
            "principal": f'Agent::"{_quoted(self._agent)}"',
            "action": f'Action::"{_quoted(act.tool)}"',
            "resource": 'World::"world"',
            "context": {
                "arguments": _typed(act.arguments),
                "source": int(act.lowest),
                "source_name": act.lowest.name.lower(),
            },
        }
        try:
            result = self._cedar.is_authorized(request, self._policies, [])
            errors = [str(error) for error in result.diagnostics.errors]
        except Exception as error:  # the binding raises its own kinds
            return broke("cedar", f"Cedar could not be asked: {error}", retry=True)
        if errors:
            return broke("cedar", f"a Cedar policy could not be evaluated: {errors[0][:200]}", errors=errors)
        evidence = {"cedar": [str(reason) for reason in result.diagnostics.reasons]}
        if result.decision is not self._cedar.Decision.Allow:
            return Decision(Verdict.DENY, "cedar", "no Cedar policy permits it", evidence=evidence, act=act)
        return Decision(Verdict.ALLOW, "cedar", evidence=evidence, act=act)


def _quoted(text: str) -> str:
    return "".join(c if c.isprintable() and c not in '"\\' else f"\\u{{{ord(c):x}}}" for c in text)


def _typed(value: Any) -> Any:
    """A value in Cedar's types; what has none (a fraction, null) is left out, so that a policy that reads it errors."""
    if isinstance(value, Mapping):
        inner = {str(key): _typed(item) for key, item in value.items()}
        return {key: item for key, item in inner.items() if item is not None}
    if isinstance(value, (list, tuple)):
        return [item for item in map(_typed, value) if item is not None]
    if isinstance(value, (bool, str)):
        return value
    if isinstance(value, int) and abs(value) < WHOLE:
        return value
    return None

"""Families of third parties are found, and one that breaks takes no other down."""

from __future__ import annotations

import re
from typing import Any, ClassVar

import pytest

from adhere.constraints import from_json, parse, registry
from adhere.constraints.constraint import Check, Constraint, Monitor, Verdict
from adhere.core.errors import UserError


class _Loud(Constraint):
    """Ends with an exclamation mark."""

    kind: ClassVar[str] = "thirdparty.loud"
    wordings: ClassVar[tuple[re.Pattern[str], ...]] = (re.compile(r"\bBe loud\."),)

    def describe(self) -> str:
        return "Be loud."

    def monitor(self) -> Monitor:
        from adhere.constraints.constraint import AtEnd

        return AtEnd(lambda text: Check(Verdict.of(text.endswith("!")), "loud or not"))

    @classmethod
    def examples(cls) -> tuple[_Loud, ...]:
        return (cls(),)

    @classmethod
    def read(cls, match: re.Match[str]) -> _Loud:
        del match
        return cls()


class _Point:
    def __init__(self, value: str, loads: Any) -> None:
        self.value = value
        self._loads = loads

    def load(self) -> Any:
        if isinstance(self._loads, Exception):
            raise self._loads
        return self._loads


@pytest.fixture
def _plugins(monkeypatch: pytest.MonkeyPatch):
    points = [_Point("broken:thing", ImportError("no such module")), _Point("loud:Loud", _Loud)]
    monkeypatch.setattr(registry, "entry_points", lambda group: points if group == registry.ENTRY_POINT else [])
    monkeypatch.setattr(registry, "_families", dict(registry._families))
    registry._load_plugins.cache_clear()
    yield
    registry._load_plugins.cache_clear()


@pytest.mark.usefixtures("_plugins")
def test_a_plug_in_that_does_not_load_is_a_warning_and_the_others_are_there() -> None:
    with pytest.warns(UserWarning, match="broken:thing did not load"):
        found = registry.families()
    assert "thirdparty.loud" in found
    assert "length.words" in found
    assert from_json({"kind": "thirdparty.loud"}).check("Yes!").met
    assert parse("Be loud.") == (_Loud(),)


def test_two_families_of_one_name_are_refused() -> None:
    class Other(_Loud):
        kind: ClassVar[str] = "length.words"

    with pytest.raises(ValueError, match=r"two families are named 'length\.words'"):
        registry.register(Other)


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ({"kind": "length.word", "at_most": 3}, "nearest: length.words"),
        ({"at_most": 3}, '"kind"'),
        ({"kind": "length.words", "at_most": "3"}, "at_most"),
        ({"kind": "length.words", "at_most": True}, "at_most"),
        ({"kind": "length.words", "at_least": 5, "at_most": 3}, "more than at_most"),
        ({"kind": "length.words", "most": 3}, "most"),
    ],
)
def test_a_wrong_constraint_is_one_line_that_names_what_is_wrong(record: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=re.escape(said)) as caught:
        from_json(record)
    assert "\n" not in str(caught.value)

"""Lists of places that have one right order: the countries of Africa, the capitals of Europe's north.

Names are compared without case, diacritics and marks; usual variants count as the same ("Ivory Coast", "Côte
d'Ivoire").
"""

from __future__ import annotations

import re
import unicodedata
from itertools import pairwise
from typing import ClassVar, Self

from adhere.constraints.bases.reference_profile import Twofold, edged
from adhere.constraints.constraint import BROKEN, HOLDS, Check, Span
from adhere.constraints.reading.segments import lines
from adhere.constraints.registry import register

_AFRICA = """\
Algeria; Angola; Benin; Botswana; Burkina Faso; Burundi; Cabo Verde, Cape Verde; Cameroon; Central African Republic;
Chad; Comoros; Democratic Republic of the Congo, Congo Democratic Republic of the, Congo Kinshasa, DR Congo, DRC,
Congo Democratic Republic; Republic of the Congo, Congo, Congo Republic of the, Congo Brazzaville, Congo Republic;
Djibouti; Egypt; Equatorial Guinea; Eritrea; Eswatini, Swaziland; Ethiopia; Gabon; Gambia, Gambia the; Ghana;
Guinea; Guinea-Bissau; Ivory Coast, Cote d'Ivoire; Kenya; Lesotho; Liberia; Libya; Madagascar; Malawi; Mali;
Mauritania; Mauritius; Morocco; Mozambique; Namibia; Niger; Nigeria; Rwanda; Sao Tome and Principe; Senegal;
Seychelles; Sierra Leone; Somalia; South Africa; South Sudan; Sudan; Tanzania; Togo; Tunisia; Uganda; Zambia;
Zimbabwe"""

_CAPITALS = """\
Reykjavik; Helsinki; Oslo; Tallinn; Stockholm; Riga; Moscow; Copenhagen; Vilnius; Minsk; Dublin; Berlin; Amsterdam;
Warsaw; London; Brussels; Kyiv, Kiev; Prague; Luxembourg, Luxembourg City; Paris; Vienna; Bratislava; Budapest;
Vaduz; Chisinau; Bern, Berne; Ljubljana; Zagreb"""
_UNKNOWN_TO_REFERENCE = "Kyiv"


def _ascii(text: str) -> str:
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()


def _plain(name: str) -> str:
    words = re.findall(r"[a-z]+", _ascii(name.replace("’", "'")).casefold().replace("&", " and ").replace("'", ""))
    return " ".join(words[1:] if words[:1] == ["the"] else words)


def _names(listed: str) -> dict[str, str]:
    """From each plain variant to the name of the place."""
    places = [[name.strip() for name in place.split(",")] for place in listed.split(";")]
    return {_plain(name): place[0] for place in places for name in place}


_COUNTRIES = _names(_AFRICA)
_CAPITAL_CITIES = _names(_CAPITALS)
_ORDER = tuple(dict.fromkeys(_CAPITAL_CITIES.values()))
_REFERENCE_ORDER = [name for name in _ORDER if name != _UNKNOWN_TO_REFERENCE]


@register
class AfricanCountries(Twofold):
    """All 54 countries of Africa, each on a line of its own, in reverse alphabetical order of the names as written.

    The reference reads no names but Zimbabwe's: any 52 lines from there on pass if their order is right.
    """

    kind: ClassVar[str] = "geography.african_countries"
    wordings: ClassVar[tuple[re.Pattern[str], ...]] = (
        re.compile(r"\blist the countries of Africa in reverse alphabetical order,? each on a new line", re.I),
    )

    def describe(self) -> str:
        return "List the countries of Africa in reverse alphabetical order, each on a new line."

    def followed(self, text: str) -> bool:
        named = [line for line in map(edged, text.split("\n")) if line]
        start = next((index for index, line in enumerate(named) if "Zimbabwe" in line), len(named))
        listed = [_ascii(line) for line in named[start:]]
        return len(listed) >= 52 and listed == sorted(listed, reverse=True)

    def judge(self, text: str) -> Check:
        wanted = "the 54 countries of Africa from Z to A, each on a line"
        named: list[tuple[str, str, Span]] = []
        for span in lines(text):
            written = _plain(text[span.start : span.end])
            if written in _COUNTRIES:
                named.append((written, _COUNTRIES[written], span))
            elif named and len({place for _, place, _ in named}) < 54:
                return Check(
                    BROKEN, f'"{text[span.start : span.end].strip()[:40]}" is none', wanted=wanted, spans=(span,)
                )
        missing = set(_COUNTRIES.values()) - {place for _, place, _ in named}
        if missing:
            return Check(BROKEN, f"missing: {', '.join(sorted(missing)[:5])}", 54 - len(missing), wanted)
        if len(named) > 54:
            return Check(BROKEN, "a country stands there twice", len(named), wanted)
        for (one, _, _), (other, _, span) in pairwise(named):
            if other > one:
                return Check(BROKEN, f'"{other}" stands after "{one}"', other, wanted, (span,))
        return Check(HOLDS, "all 54, from Z to A", 54, wanted)

    @classmethod
    def examples(cls) -> tuple[Self, ...]:
        return (cls(),)


@register
class NorthernCapitals(Twofold):
    """The capitals of Europe north of 45 degrees, without countries, separated by commas, from north to south.

    The reference leaves out Kyiv (50.45 degrees north) and takes no full stop at the end.
    """

    kind: ClassVar[str] = "geography.northern_capitals"
    wordings: ClassVar[tuple[re.Pattern[str], ...]] = (
        re.compile(
            r"\ball capital cities of european countries whose latitude is higher than(?: than)? 45 degrees\? "
            r"List the capital cities without country names, separated by commas, sorted by latitude, from "
            r"highest to lowest",
            re.I,
        ),
    )

    def describe(self) -> str:
        return (
            "Give me the names of all capital cities of european countries whose latitude is higher than 45 "
            "degrees? List "
            "the capital cities without country names, separated by commas, sorted by latitude, from highest to lowest."
        )

    def followed(self, text: str) -> bool:
        return [name.strip() for name in _ascii(text).split(",") if name.strip()] == _REFERENCE_ORDER

    def judge(self, text: str) -> Check:
        wanted = f"{len(_ORDER)} capitals from {_ORDER[0]} to {_ORDER[-1]}"
        found = [_plain(name) for name in text.split(",")]
        for index, (name, due) in enumerate(zip(found, _ORDER, strict=False)):
            if _CAPITAL_CITIES.get(name) != due:
                return Check(BROKEN, f'"{name}" where {due} was due', index, wanted)
        return Check(HOLDS if len(found) == len(_ORDER) else BROKEN, f"{len(found)} capitals", len(found), wanted)

    @classmethod
    def examples(cls) -> tuple[Self, ...]:
        return (cls(),)

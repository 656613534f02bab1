"""What a tally knows, as counts that add up: parts of the data are counted apart and merged.

    counts = Counts.of(tally, profiles)      # of one part, in which every prompt's responses are together
    counts.add(other)
    counts.prompts(subject, "fixed")         # the same rates, to the last digit, as of one tally of all

Rules.

- A prompt is a cluster and must lie in one part as a whole. How many clusters scored so and so is all that a rate and a
  paired difference need (`statistics.rates`), so the size of `Counts` does not grow with the number of responses.
- It answers what `summary`, the tables and the page ask of a `Tally`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import combinations
from typing import Any, Self, TypeVar

from adhere.constraints.constraint import Profile
from adhere.measure.adherence.model_pairs import PairCounts, model_pairs
from adhere.measure.adherence.records import DEGENERATE, UNANSWERED
from adhere.measure.adherence.sessions import SessionRates, Sessions, rates_of
from adhere.measure.adherence.tally import UNKNOWN, Subject, Tally
from adhere.measure.statistics.rates import Rate, rate_of

T = TypeVar("T")
_Key = tuple[str, ...]
LEVELS = ("prompt", "instruction")
MODES = ("strict", "loose")


class Counts:
    """Clusters counted by what they scored."""

    def __init__(self) -> None:
        self._subjects: dict[Subject, None] = {}
        self._skills: dict[str, str] = {}
        self._rates: dict[_Key, Counter[tuple[int, int]]] = {}
        self._pairs: dict[_Key, PairCounts] = {}
        self._totals: Counter[_Key] = Counter()
        self._derived: dict[tuple[object, ...], Any] = {}

    @classmethod
    def of(cls, tally: Tally, profiles: Sequence[Profile], sessions: Sessions | None = None) -> Self:
        """The counts of a tally whose prompts lie in no other part."""
        counts = cls()
        for subject in tally.subjects():
            counts.declare(subject)
            counts._totals[*subject, "responses"] += tally.responses(subject)
            for way, n in tally.unanswered(subject).items():
                counts._totals[*subject, "unanswered", way] += n
            for way, clusters in tally.degenerate_counts(subject).items():
                counts._rates[*subject, "way", way] = clusters
            for profile in profiles:
                counts._of_profile(tally, subject, profile)
            if len(profiles) > 1:
                for level in LEVELS:
                    for mode in MODES:
                        key = (*subject, "profiles", level, mode)
                        counts._pairs[key] = tally.profile_counts(subject, level, mode == "loose")
        for profile in profiles:
            for a, b, pair in model_pairs(tally, profile, "prompt"):
                counts._pairs[a.set, a.model, b.model, profile] = pair
            for (first, second), cells in tally.fail_together(profile).items():
                for cell, n in enumerate(cells):
                    counts._totals["together", profile, first, second, str(cell)] += n
        sessions = sessions or Sessions()
        for of_sessions in sessions.subjects():
            for profile in profiles:
                for (what, number), clusters in sessions.counts(of_sessions, profile).items():
                    counts._rates[*of_sessions, "session", profile, what, str(number)] = clusters
        return counts

    def _of_profile(self, tally: Tally, subject: Subject, profile: Profile) -> None:
        self._totals[*subject, "unsure", profile] += tally.unsure(subject, profile)
        for mode in MODES:
            loose = mode == "loose"
            self._rates[*subject, "prompt", profile, mode] = tally.prompt_counts(subject, profile, loose)
            whole = tally.group_counts(subject, profile, loose, lambda _: "all").get("all", Counter())
            self._rates[*subject, "instruction", profile, mode] = whole
            for kind, clusters in tally.group_counts(subject, profile, loose, _known).items():
                self._rates[*subject, "family", profile, mode, kind] = clusters
                if skill := tally.skill(kind):
                    self._skills[kind] = skill
            for skill, clusters in tally.group_counts(subject, profile, loose, tally.skill).items():
                self._rates[*subject, "skill", profile, mode, skill] = clusters

    def declare(self, subject: Subject) -> None:
        """Name a subject, so that subjects stand in the order of the input."""
        self._subjects.setdefault(subject)

    def add(self, other: Counts) -> None:
        """Take in the counts of another part."""
        for subject in other._subjects:
            self.declare(subject)
        self._skills.update(other._skills)
        for key, clusters in other._rates.items():
            self._rates.setdefault(key, Counter()).update(clusters)
        for key, pairs in other._pairs.items():
            self._pairs.setdefault(key, Counter()).update(pairs)
        self._totals.update(other._totals)
        self._derived.clear()

    def to_json(self) -> dict[str, Any]:
        """As JSON takes it."""
        return {
            "subjects": [list(subject) for subject in self._subjects],
            "skills": self._skills,
            "rates": [[list(key), [[*cell, n] for cell, n in sorted(c.items())]] for key, c in self._rates.items()],
            "pairs": [[list(key), [[*cell, n] for cell, n in sorted(c.items())]] for key, c in self._pairs.items()],
            "totals": [[list(key), n] for key, n in self._totals.items()],
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """What `to_json` wrote."""
        counts = cls()
        for model, of in data["subjects"]:
            counts.declare(Subject(model, of))
        counts._skills = dict(data["skills"])
        for key, cells in data["rates"]:
            counts._rates[tuple(key)] = Counter({(x, m): n for x, m, n in cells})
        for key, cells in data["pairs"]:
            counts._pairs[tuple(key)] = Counter({(a, b, m): n for a, b, m, n in cells})
        counts._totals = Counter({tuple(key): n for key, n in data["totals"]})
        return counts

    # what a tally is asked for

    def subjects(self) -> list[Subject]:
        return list(self._subjects)

    def remembered(self, key: tuple[object, ...], compute: Callable[[], T]) -> T:
        if key not in self._derived:
            self._derived[key] = compute()
        result: T = self._derived[key]
        return result

    def _rate(self, *key: str) -> Rate:
        return self.remembered(key, lambda: rate_of(self._rates.get(key, {})))

    def _named(self, *prefix: str) -> dict[str, Rate]:
        names = sorted(key[-1] for key in self._rates if key[:-1] == prefix)
        return {name: self._rate(*prefix, name) for name in names}

    def prompts(self, subject: Subject, profile: Profile = "fixed", loose: bool = False) -> Rate:
        return self._rate(*subject, "prompt", profile, MODES[loose])

    def instructions(self, subject: Subject, profile: Profile = "fixed", loose: bool = False) -> Rate:
        return self._rate(*subject, "instruction", profile, MODES[loose])

    def families(self, subject: Subject, profile: Profile = "fixed", loose: bool = False) -> dict[str, Rate]:
        return self._named(*subject, "family", profile, MODES[loose])

    def skills(self, subject: Subject, profile: Profile = "fixed", loose: bool = False) -> dict[str, Rate]:
        return self._named(*subject, "skill", profile, MODES[loose])

    def skill(self, kind: str) -> str | None:
        return self._skills.get(kind)

    def degenerate(self, subject: Subject) -> dict[str, Rate]:
        return {way: self._rate(*subject, "way", way) for way in DEGENERATE}

    def responses(self, subject: Subject) -> int:
        return self._totals[*subject, "responses"]

    def unanswered(self, subject: Subject) -> dict[str, int]:
        ways = {way: self._totals[*subject, "unanswered", way] for way in UNANSWERED}
        return {way: n for way, n in ways.items() if n}

    def unsure(self, subject: Subject, profile: Profile = "fixed") -> int:
        return self._totals[*subject, "unsure", profile]

    def profile_counts(self, subject: Subject, level: str, loose: bool) -> PairCounts:
        return self._pairs.get((*subject, "profiles", level, MODES[loose]), Counter())

    def model_pairs(self, profile: Profile, level: str = "prompt") -> Iterator[tuple[Subject, Subject, PairCounts]]:
        del level  # of instructions none are counted
        for a, b in combinations(self._subjects, 2):
            if a.set != b.set:
                continue
            counts: PairCounts = Counter(self._pairs.get((a.set, a.model, b.model, profile), {}))
            for (x, y, trials), n in self._pairs.get((a.set, b.model, a.model, profile), {}).items():
                counts[y, x, trials] += n
            if counts:
                yield a, b, counts

    def fail_together(self, profile: Profile = "fixed") -> dict[tuple[str, str], tuple[int, int, int, int]]:
        key = ("together", profile)
        pairs = sorted({(one[2], one[3]) for one in self._totals if one[:2] == key})
        n = self._totals
        return {
            (a, b): (n[*key, a, b, "0"], n[*key, a, b, "1"], n[*key, a, b, "2"], n[*key, a, b, "3"]) for a, b in pairs
        }

    def sessions(self) -> MergedSessions:
        """What was counted of conversations."""
        return MergedSessions(self)


class MergedSessions:
    """Answers what `Sessions` is asked for."""

    def __init__(self, counts: Counts) -> None:
        self._counts = counts

    def subjects(self) -> list[tuple[str, str]]:
        named = {key[:2] for key in self._counts._rates if len(key) > 2 and key[2] == "session"}
        return [(model, of) for model, of in self._counts.subjects() if (model, of) in named]

    def rates(self, subject: tuple[str, str], profile: Profile) -> SessionRates:
        prefix = (*subject, "session", profile)
        return rates_of({(key[4], int(key[5])): c for key, c in self._counts._rates.items() if key[:4] == prefix})


Tallied = Tally | Counts
"""What rates and pairs are asked of."""


def _known(kind: str) -> str | None:
    return None if kind == UNKNOWN else kind

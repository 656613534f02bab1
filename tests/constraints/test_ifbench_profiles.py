"""What each IFBench instruction takes for an answer, in both profiles, and where the reference checker is at fault.

The verdicts of the reference profile were read off the reference checker itself (allenai/IFBench of August 2026).
"""

from __future__ import annotations

from typing import Any

import pytest

from adhere.constraints import Profile
from adhere.constraints.benchmarks.ifbench import IDS, THIS_SENTENCE, from_ifbench, to_ifbench
from adhere.constraints.families.geography import _COUNTRIES, _ORDER, _REFERENCE_ORDER
from adhere.constraints.families.positions import EveryNthJapanese
from adhere.constraints.families.word_lists import NAMES
from adhere.core.errors import UserError

KEYWORDS = {"keyword1": "sea", "keyword2": "sky", "keyword3": "sun", "keyword4": "sand", "keyword5": "salt"}
KEYED = "sea sky sky sun sun sun " + "sand " * 5 + "salt " * 7
REQUEST = {"prompt_to_repeat": "Tell me about the sea."}
SPAN = {"prompt_to_repeat": "how deep is the old sea", "n_start": 1, "n_end": 3}
OPTIONS = {"options": "yes/no/maybe"}
REFERENCE_TEXT = {"percentage": 50.0, "reference_text": "the sea is wide and deep"}
ALPHABET = [f"{chr(65 + k)}ll went well." for k in range(26)]
QUIZ = "\n".join(
    f"Question {n}. Who painted {'very ' * n}well?\n" + "\n".join(f"{letter}) Painter {letter}" for letter in "ABCDE")
    for n in range(1, 5)
)
AFRICA = sorted(
    {place: place for place in _COUNTRIES.values()}, key=lambda name: name.replace("Guinea-B", "Guinea B"), reverse=True
)
NUMBERED_LINES = "\n".join(["Zimbabwe", *(f"Line {n}" for n in range(99, 45, -1))])
CITIES = "ID,Country,City,Year,Count\n" + "\n".join(f"{n},Italy,Rome,2001,{n}" for n in range(7))
PRODUCTS = "ProductID,Category,Brand,Price,Stock\n" + "\n".join(
    [f"{n},Toy,Acme,9,{n}" for n in range(13)] + ['13,Toy,"A&B",9,1']
)
GRADES = "\n".join("\t".join(f'"{cell}"' for cell in row.split()) for row in (
    "StudentID Subject Grade Semester Score", "1 Art A Fall 9", "2 Art B Fall 8", "3 Art C Fall 7",
))  # fmt: skip
PALINDROMES = "level radar civic rotor kayak refer madam tenet stats solos"

Case = tuple[str, dict[str, Any], str, bool, bool]
"""Instruction id, arguments, answer; followed by the reference; followed as the instruction says."""

AGREED: list[Case] = [
    ("count:word_count_range", {"min_words": 3.0, "max_words": 4.0}, "The sea is wide.", True, True),
    ("count:word_count_range", {"min_words": 3.0, "max_words": 4.0}, "The sea.", False, False),
    ("count:unique_word_count", {"N": 3.0}, "The sea, the sky.", True, True),
    ("count:unique_word_count", {"N": 4.0}, "The sea, the sky.", False, False),
    ("ratio:stop_words", {"percentage": 30.0}, "Waves hit the rocky shore", True, True),
    ("ratio:stop_words", {"percentage": 10.0}, "Waves hit the rocky shore", False, False),
    ("ratio:sentence_type", {}, "It is. It was. Is it?", True, True),
    ("ratio:sentence_type", {}, "It is. Is it?", False, False),
    ("ratio:sentence_balance", {}, "It is. Is it? It is!", True, True),
    ("ratio:sentence_balance", {}, "It is. It was. Is it? It is!", False, False),
    ("count:conjunctions", {"small_n": 2.0}, "Sea and sky, but no sun.", True, True),
    ("count:conjunctions", {"small_n": 2.0}, "Sea and sky and sun.", False, False),
    ("count:person_names", {"N": 2.0}, "Emma met Liam.", True, True),
    ("count:person_names", {"N": 2.0}, "Emma met Emma.", False, False),
    ("count:numbers", {"N": 2.0}, "From 3 to 4.5 miles.", True, True),
    ("count:numbers", {"N": 2.0}, "3 miles.", False, False),
    ("words:alphabet", {}, "A bold cat dances.", True, True),
    ("words:alphabet", {}, "Yes, Zoe, all boats.", True, True),
    ("words:alphabet", {}, "A cat dances.", False, False),
    ("words:vowel", {}, "A cat sits on a mat.", True, True),
    ("words:vowel", {}, "A cute fox is here.", False, False),
    ("words:consonants", {}, "strong clams swim", True, True),
    ("words:consonants", {}, "strong sea", False, False),
    ("sentence:alliteration_increment", {}, "Big boats go. Silly seals swim north.", True, True),
    ("sentence:alliteration_increment", {}, "Silly seals swim. Big boats go.", False, False),
    ("words:palindrome", {}, PALINDROMES, True, True),
    ("words:palindrome", {}, "level radar civic", False, False),
    ("count:punctuation", {}, "Yes, no; well: what?! Go! Why? So.", True, True),
    ("count:punctuation", {}, "Yes, no. What?!", False, False),
    ("format:parentheses", {}, "(a [b {c (d [e])}])", True, True),
    ("format:parentheses", {}, "(a [b {c}])", False, False),
    ("format:quotes", {}, "\"He said 'she said \"yes\" to me' again\"", True, True),
    ("format:quotes", {}, 'He said "yes" to me', False, False),
    ("words:prime_lengths", {}, "The sea is so wet.", True, True),
    ("words:prime_lengths", {}, "The wide sea.", False, False),
    ("format:options", OPTIONS, "Maybe.", True, True),
    ("format:options", OPTIONS, "Maybe, I think.", False, False),
    ("format:options", {"options": "a), b), c), d)"}, "b)", True, True),
    ("format:options", {"options": "I know or I don't know"}, "I don't know.", True, True),
    ("format:newline", {}, "The\nsea\nis\nwide.", True, True),
    ("format:newline", {}, "The sea\nis\nwide.", False, False),
    ("format:emoji", {}, "The sea is wide. 🌊 I like it! 😀", True, True),
    ("format:emoji", {}, "The sea is wide 🌊. I like it.", False, False),
    ("ratio:sentence_words", {}, "Cats run. Dogs sit. Bees hum.", True, True),
    ("ratio:sentence_words", {}, "Cats run. Dogs sit. Bees buzz.", False, False),
    ("count:words_japanese", {"N": 3.0}, "I love 猫 and my 犬 too", True, True),
    ("count:words_japanese", {"N": 3.0}, "I love cats and my 犬", False, False),
    ("words:start_verb", {}, "Given the sea, swim.", True, True),
    ("words:start_verb", {}, "The sea is wide.", False, False),
    ("words:repeats", {"small_n": 2.0}, "the sea and the sky", True, True),
    ("words:repeats", {"small_n": 1.0}, "the sea and the sky", False, False),
    ("sentence:keyword", {"word": "sea", "N": 2.0}, "I swim. The sea is wide.", True, True),
    ("sentence:keyword", {"word": "sea", "N": 1.0}, "I swim. The sea is wide.", False, False),
    ("count:pronouns", {"N": 2.0}, "I saw them there.", True, True),
    ("count:pronouns", {"N": 3.0}, "I saw them there.", False, False),
    ("words:odd_even_syllables", {}, "cat water dog tiger", True, True),
    ("words:odd_even_syllables", {}, "cat dog tiger", False, False),
    ("words:last_first", {}, "I see the sea. Sea is blue. Blue is all.", True, True),
    ("words:last_first", {}, "I see the sea. The sea is blue.", False, False),
    ("words:paragraph_last_first", {}, "Sea is the sea\n\nSky my sky", True, True),
    ("words:paragraph_last_first", {}, "Sea is wide\nSky, my sky", False, False),
    ("sentence:increment", {"small_n": 2.0}, "I swim. I swim far out.", True, True),
    ("sentence:increment", {"small_n": 1.0}, "I swim. I swim far out.", False, False),
    ("words:no_consecutive", {}, "The sea is wide", True, True),
    ("words:no_consecutive", {}, "The sandy sea", False, False),
    ("format:line_indent", {}, "a\n b\n  c", True, True),
    ("format:line_indent", {}, "a\n b\n b", False, False),
    ("format:quote_unquote", {}, 'He said "yes" and meant it, so we went on', True, True),
    ("format:quote_unquote", {}, 'He said "yes"', False, False),
    ("format:list", {"sep": "!?!?"}, "!?!? sea\n!?!? sky", True, True),
    ("format:list", {"sep": "!?!?"}, "!?!? sea\nsky", False, False),
    ("format:thesis", {}, "<i>The sea is wide.</i> It is.", True, True),
    ("format:thesis", {}, "The sea is wide.", False, False),
    ("format:sub-bullets", {}, "* sea\n - wide\n* sky\n - high", True, True),
    ("format:sub-bullets", {}, "* sea\n* sky\n - high", False, False),
    ("format:no_bullets_bullets", {}, "I swim. I dive.\n* sea\n* sky", True, True),
    ("format:no_bullets_bullets", {}, "I swim.\n* sea\n* sky", False, False),
    ("custom:multiples", {}, "14, 21, 28, 35, 42, 49", True, True),
    ("custom:multiples", {}, "7, 14, 21, 28, 35, 42, 49", False, False),
    ("custom:mcq_count_length", {}, QUIZ, True, True),
    ("custom:mcq_count_length", {}, "Here you go:\n" + QUIZ, False, False),
    ("custom:reverse_newline", {}, "\n".join(AFRICA), True, True),
    ("custom:reverse_newline", {}, "\n".join(reversed(AFRICA)), False, False),
    ("custom:word_reverse", {}, "eagle bald the is US the of symbol national The", True, True),
    ("custom:word_reverse", {}, "It is the bald eagle", False, False),
    ("custom:character_reverse", {}, "elgae dlab eht si tI", True, True),
    ("custom:character_reverse", {}, "It is the bald eagle", False, False),
    ("custom:sentence_alphabet", {}, " ".join(ALPHABET), True, True),
    ("custom:sentence_alphabet", {}, " ".join(ALPHABET[:25]), False, False),
    ("custom:european_capitals_sort", {}, ", ".join(_ORDER[:-1]), False, False),
    ("custom:csv_city", {}, CITIES, True, True),
    ("custom:csv_city", {}, CITIES + "\n8,Italy,Rome,2001,1", False, False),
    ("custom:csv_special_character", {}, PRODUCTS, True, True),
    ("custom:csv_special_character", {}, PRODUCTS.replace('"', ""), False, False),
    ("custom:csv_special_character", {}, PRODUCTS.replace("A&B", "A, B"), True, True),
    ("custom:csv_quotes", {}, GRADES, True, True),
    ("custom:csv_quotes", {}, GRADES.replace('"9"', "9"), False, False),
    ("custom:date_format_list", {}, "1796-04-12, 1815-06-18", True, True),
    ("custom:date_format_list", {}, "1796-04-12, 18 June 1815", False, False),
    ("count:keywords_multiple", KEYWORDS, KEYED, True, True),
    ("count:keywords_multiple", KEYWORDS, KEYED + "sea", False, False),
    ("words:keywords_specific_position", {"keyword": "sea", "n": 2, "m": 2}, "I swim. The sea is.", True, True),
    ("words:keywords_specific_position", {"keyword": "sea", "n": 2, "m": 1}, "I swim. The sea is.", False, False),
    ("words:words_position", {"keyword": "sea"}, "The sea is my sea now.", True, True),
    ("words:words_position", {"keyword": "sea"}, "The sea is my sea", False, False),
    ("repeat:repeat_change", REQUEST, "Show me about the sea.", True, True),
    ("repeat:repeat_change", REQUEST, "Tell me about the sea.", False, False),
    ("repeat:repeat_simple", {}, THIS_SENTENCE, True, True),
    ("repeat:repeat_simple", {}, "Here it is.", False, False),
    ("format:title_case", {}, "The Sea Is Wide", True, True),
    ("format:title_case", {}, "The sea Is Wide", False, False),
    ("format:output_template", {}, "My Answer: a\nMy Conclusion: b\nFuture Outlook: c", True, True),
    ("format:output_template", {}, "My Answer: a\nFuture Outlook: c", False, False),
    ("format:no_whitespace", {}, "TheSeaIsWide", True, True),
    ("format:no_whitespace", {}, "The sea", False, False),
]  # fmt: skip

FAULTS: list[Case] = [
    # words are cut at apostrophes and at nothing else: "don't" is two, "don't" of stop words is two of two
    ("count:word_count_range", {"min_words": 2.0, "max_words": 2.0}, "Don't go", False, True),
    ("ratio:stop_words", {"percentage": 50.0}, "It's raining", False, True),
    # a dash is a word, "sea/sky" is one
    ("count:unique_word_count", {"N": 3.0}, "sea — sky", True, False),
    # no declarative and no interrogative sentence is a ratio of 2:1, none of any kind is balance
    ("ratio:sentence_type", {}, "Sea!", True, False),
    ("ratio:sentence_balance", {}, "sea and sky", True, False),
    # a sentence that ends in a quotation mark is of no kind
    ("ratio:sentence_type", {}, 'He said "it is." It was. Was it?', False, True),
    # "and", "And" and "and," are three different conjunctions
    ("count:conjunctions", {"small_n": 3.0}, "And sea and sky and, well, sun", True, False),
    # trigrams of letters, not of words
    ("ratio:overlap", REFERENCE_TEXT, "the sea is old", False, True),
    ("ratio:overlap", REFERENCE_TEXT, "the seaxqzwv", True, False),
    # punctuation is dropped before numbers are counted
    ("count:numbers", {"N": 2.0}, "2019-2021", False, True),
    # "é" is no vowel
    ("words:vowel", {}, "Olé, a cat is not bad", True, False),
    # a dash between blanks is a word without consonants
    ("words:consonants", {}, "strong - clams", False, True),
    # all short runs of a sentence are added up
    ("sentence:alliteration_increment", {}, "Silly seals swim north. Big boats go home here.", True, False),
    # one palindrome ten times, and numbers
    ("words:palindrome", {}, "level " * 10, True, False),
    ("words:palindrome", {}, PALINDROMES.replace("level", "12321"), True, False),
    # a second interrobang counts as the question and the exclamation mark
    ("count:punctuation", {}, "Yes, no; well: what?! Go?! So.", True, False),
    # brackets that never close, depths that were left
    ("format:parentheses", {}, "(((((a)", True, False),
    # apostrophes are quotation marks, curly ones are none
    ("format:quotes", {}, "\"I don't\" and \"it's\" 'n' \"a\"", True, False),
    ("format:quotes", {}, "“He said ‘she said “yes” to me’ again”", False, True),
    # a dash joins two words into one
    ("words:prime_lengths", {}, "sea—s sky", True, False),
    ("words:prime_lengths", {}, "sea-sky", False, False),
    ("words:prime_lengths", {}, "sea – sky", False, True),
    # options are cut at the letters "or", lettered ones compared to the letter
    ("format:options", {"options": "north, south"}, "north", False, True),
    ("format:options", {"options": "north, south"}, "th, south", True, False),
    ("format:options", {"options": "a), b), c), d)"}, "B)", False, True),
    # a line of blanks makes up for two words on another
    ("format:newline", {}, "The sea\n \nis", True, False),
    # flags are two characters, neither an emoji
    ("format:emoji", {}, "The sea is wide 🇫🇷.", False, True),
    # the words are never looked at
    ("ratio:sentence_words", {}, "Cats run. Cats sit. Cats hum.", True, False),
    # numbers are Japanese, marks are words
    ("count:words_japanese", {"N": 2.0}, "I 12 have 34", True, False),
    ("count:words_japanese", {"N": 3.0}, "I - love 猫", False, True),
    # capitals make names of verbs, quotation marks hide them
    ("words:start_verb", {}, "Build resilient relationships by cultivating connections.", False, True),
    ("words:start_verb", {}, '"Given the sea, swim."', False, True),
    # a keyword's edge
    ("sentence:keyword", {"word": "C++", "N": 1.0}, "I like C++ best.", False, True),
    # a number has no syllables, an even number
    ("words:odd_even_syllables", {}, "cat 12 cat", True, False),
    ("words:odd_even_syllables", {}, "well-known cat", True, True),
    # curly quotation marks belong to the word
    ("words:last_first", {}, "I see the sea. “Sea” is blue.", False, True),
    ("words:paragraph_last_first", {}, "“Sea” is the sea", False, True),
    ("words:paragraph_last_first", {}, "Sky, my sky", False, True),
    # where blank lines follow each other one stays, without indentation
    ("format:line_indent", {}, "a\n b\n\n\n\n  c", False, True),
    ("format:line_indent", {}, "a\n\n b", True, True),
    # a comma, or a full stop with "said", explains a quotation; adjoining quotes without one do not
    ("format:quote_unquote", {}, 'He said "yes", "no" and left, for good', True, False),
    # the marker may stand anywhere
    ("format:list", {"sep": "-"}, "A well-known and re-used word", True, False),
    # any pair of tags, anywhere
    ("format:thesis", {}, "# Sea\nThe sea is <i>wide</i> indeed.\n# Sky\nThe sky is high.", True, False),
    ("format:thesis", {}, "<i></i> The sea.", False, False),
    # no bullet points at all; hyphens count as sub-points; bold type breaks bullets
    ("format:sub-bullets", {}, "The sea is wide", True, False),
    ("format:sub-bullets", {}, "* a well-known sea", True, False),
    ("format:sub-bullets", {}, "* **sea**\n  - wide", False, True),
    # no blank line may stand between sentences, nor between points, and any mark ends a sentence
    ("format:no_bullets_bullets", {}, "I swim.\n\nI dive.\n\n* sea\n* sky", False, True),
    ("format:no_bullets_bullets", {}, "I swim. I dive.\n\n* sea\n\n* sky", False, True),
    ("format:no_bullets_bullets", {}, "Sea! Sky?\n* sea\n* sky", True, False),
    # an explanation after the last options is overlooked
    ("custom:mcq_count_length", {}, QUIZ + "\nThe answers are all A.", True, False),
    # no names are read but Zimbabwe's
    ("custom:reverse_newline", {}, NUMBERED_LINES, True, False),
    ("custom:sentence_alphabet", {}, '"' + ALPHABET[0] + '" ' + " ".join(ALPHABET[1:]), False, True),
    # Kyiv is a capital, and a list may end in a full stop
    ("custom:european_capitals_sort", {}, ", ".join(_REFERENCE_ORDER), True, False),
    ("custom:european_capitals_sort", {}, ", ".join(_ORDER) + ".", False, True),
    # a fence is no harm
    ("custom:csv_city", {}, f"```csv\n{CITIES}\n```", False, True),
    # no calendar has these days
    ("custom:date_format_list", {}, "1800-00-00, 1801-02-29", True, False),
    # a keyword within a word
    ("count:keywords_multiple", KEYWORDS, KEYED + "seaside", False, True),
    # marks are words, but for one at the very end
    ("words:words_position", {"keyword": "sea"}, "Well, sea is my sea now.", False, True),
    ("words:words_position", {"keyword": "sea"}, '"The sea is my sea now."', False, True),
    # the first word may stay if anything else differs
    ("repeat:repeat_change", REQUEST, "Tell me  about the sea.", True, False),
    # the prompts ask for words, the checker cuts characters
    ("repeat:repeat_span", SPAN, "deep is the", False, True),
    ("repeat:repeat_span", SPAN, "ow", True, False),
    ("repeat:repeat_simple", {}, f'"{THIS_SENTENCE}"', False, True),
    # minor words, and words with a capital inside
    ("format:title_case", {}, "The Old Man and the Sea", False, True),
    ("format:output_template", {}, "Future Outlook: My Conclusion: My Answer:", True, False),
]  # fmt: skip


@pytest.mark.parametrize(("instruction", "kwargs", "answer", "reference", "fixed"), AGREED + FAULTS)
def test_an_answer_gets_the_verdict_of_the_reference_and_that_of_the_instruction(
    instruction: str, kwargs: dict[str, Any], answer: str, reference: bool, fixed: bool
) -> None:
    assert from_ifbench(instruction, kwargs, "reference").check(answer).met is reference
    assert from_ifbench(instruction, kwargs).check(answer).met is fixed


def test_every_instruction_has_an_answer_that_follows_it_and_one_that_does_not() -> None:
    verdicts = {(case[0], case[4]) for case in AGREED + FAULTS}
    assert {(instruction, met) for instruction in IDS for met in (True, False)} <= verdicts


@pytest.mark.parametrize("profile", ["fixed", "reference"])
def test_a_constraint_goes_back_to_an_instruction_that_gives_it_again(profile: Profile) -> None:
    for instruction, kwargs, *_ in AGREED + FAULTS:
        constraint = from_ifbench(instruction, kwargs, profile)
        back = to_ifbench(constraint)
        assert back is not None, instruction
        assert from_ifbench(*back, profile) == constraint, instruction


@pytest.mark.parametrize(
    ("instruction", "kwargs", "hint"),
    [
        ("count:conjunction", {}, "nearest: count:conjunctions"),
        ("count:conjunctions", {}, "needs the argument 'small_n'"),
        ("count:conjunctions", {"small_n": 2.5}, "small_n"),
        ("count:conjunctions", {"small_n": "3"}, "small_n"),
        ("count:conjunctions", {"small_n": True}, "small_n"),
        ("count:conjunctions", {"small_n": float("inf")}, "small_n"),
        ("count:conjunctions", {"small_n": [3]}, "small_n"),
        ("count:conjunctions", {"small_m": 3}, "nearest: small_n"),
        ("count:word_count_range", {"min_words": 9, "max_words": 3}, "more than"),
        ("ratio:stop_words", {"percentage": 101}, "percentage"),
        ("repeat:repeat_span", {"prompt_to_repeat": "sea", "n_start": 7, "n_end": 9}, "repeat:repeat_span"),
    ],
)
def test_an_instruction_that_cannot_be_is_refused_in_one_line_that_names_it(
    instruction: str, kwargs: dict[str, Any], hint: str
) -> None:
    with pytest.raises(UserError) as error:
        from_ifbench(instruction, kwargs)
    assert hint in str(error.value)
    assert "\n" not in str(error.value)


def test_arguments_that_the_data_set_fills_up_with_none_are_left_out() -> None:
    assert from_ifbench("count:words_japanese", {"N": 5.0, "word": None}) == EveryNthJapanese(every=5)


def test_all_fifty_names_are_there() -> None:
    assert from_ifbench("count:person_names", {"N": 50}).check(" ".join(NAMES)).met

"""The words of the pocket world, few enough for a model of a million parameters.

Rules:

- Words that tell topic, mood, register or insult are drawn from the lexicon's lists; every other word of the world is
  in none of them (a test asserts it), so that these four are exactly checkable in every text of the world.
- `INVENTED` nouns are built from syllables and mean nothing: they cannot be remembered, only copied or understood.
- Insults in `INSULTS_APART` never stand in training where insults are forbidden: to leave them out is to generalise.
"""

from __future__ import annotations

from typing import Final

TOPIC_NOUNS: Final[dict[str, tuple[str, ...]]] = {
    name: tuple(words.split())
    for name, words in {
        "sea": "sea boat harbor wave sand shell sail fish island beach",
        "garden": "garden flower tree rose leaf seed bee grass bush apple",
        "city": "city street tower bus bridge shop market square train taxi",
        "kitchen": "kitchen oven cup bread soup plate spoon pot cake salt",
        "school": "school teacher book desk pen lesson class pupil map test",
        "music": "music song drum piano guitar singer band choir bell dance",
        "winter": "winter snow ice coat frost sled storm wind scarf glove",
        "space": "space star moon planet rocket comet sun orbit galaxy signal",
    }.items()
}
TOPICS: Final = tuple(TOPIC_NOUNS)

POSITIVE: Final = tuple("good lovely bright happy sweet warm nice great fine kind".split())
NEGATIVE: Final = tuple("bad ugly gray sad bitter cold poor awful broken cruel".split())
NEUTRAL: Final = tuple("old small big new long round red blue quiet tall".split())

FORMAL: Final = tuple("indeed moreover thus hence therefore furthermore certainly regarding".split())
INFORMAL: Final = tuple("yeah wow hey gonna kinda super totally guys".split())

INSULT_ADJECTIVES: Final = tuple("stupid dumb silly lazy foolish useless".split())
INSULT_NOUNS: Final = tuple("idiot fool moron loser jerk clown dummy dolt nitwit dimwit".split())
INSULTS_APART: Final = frozenset("foolish useless dolt nitwit dimwit clown".split())
APART_ADJECTIVES: Final = tuple(word for word in INSULT_ADJECTIVES if word in INSULTS_APART)
APART_NOUNS: Final = tuple(word for word in INSULT_NOUNS if word in INSULTS_APART)
KNOWN_ADJECTIVES: Final = tuple(word for word in INSULT_ADJECTIVES if word not in INSULTS_APART)
KNOWN_NOUNS: Final = tuple(word for word in INSULT_NOUNS if word not in INSULTS_APART)

NAMES: Final = tuple(
    "Ana Bob Cara Dan Eva Finn Gus Hana Ivan Jane Karl Lena Max Nora Omar Paul Rosa Sam Tina Will".split()
)
CITIES: Final = tuple(
    "Rome Oslo Cairo Lima Paris Delhi Bern Quito Kyiv Seoul Tunis Riga Accra Dakar Hanoi Sofia".split()
)
LANDS: Final = tuple("Avaria Belund Corvia Doria Elmark Fandor Galia Hesper Ilmar Jorund Kelva Lorain".split())

THINGS: Final = tuple("apples coins cards pens stones cups books shells eggs nuts".split())

_HEADS: Final = "za ze zi zo zu mi mo ma tu ti ta lo la li ru ri ra".split()
_TAILS: Final = "bel dop fin gat kub lim nop rix sel vun".split()
INVENTED: Final = tuple(head + tail for head in _HEADS for tail in _TAILS)

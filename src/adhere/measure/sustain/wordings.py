"""Length controls: true sentences that ask for nothing, and the same problem in more words.

    placebo(length, rng, size)                 # ["Snow is white and cold."], about as long as `length`
    longer = reworded(problem, length, size)   # the problem about `length` longer, or None
    lost(problem, longer)                # what a rewording changed, None where it is the same problem

Rules:

- A placebo sentence is true, timeless and idle: it asks nothing, states no number, and names nobody. No sentence stands
  twice in a prompt.
- A longer wording of a problem says the same in more words: it is introduced, its sentences are tied together ("It is
  also known that ..."), and its question is asked again. No number, name, quotation or line of code is touched.
- Whoever rewords, these rules or a model, `lost` decides: the numbers, the names and what stands in quotation marks
  must be the same sets before and after, and every line of code must still stand. Otherwise the arm is excluded.
- Lengths are matched in what the caller's `size` counts, as nearly as the sentences allow: tokens of the model that is
  asked, or characters. In tokens a sentence of common words is shorter than a constraint of as many characters, or
  longer, by a factor of up to two. The prompts stand in the log.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping, Sequence
from itertools import combinations

from adhere.problems.problem import Problem

TRUTHS = (
    "Snow is cold.",
    "Water is wet.",
    "Birds can fly.",
    "Ice can melt.",
    "Trees have roots.",
    "Fish live in water.",
    "Rain falls from clouds.",
    "Grass is often green.",
    "The sun is very hot.",
    "A river runs downhill.",
    "Wood floats on water.",
    "Bread is made from flour.",
    "The moon shines at night.",
    "Salt dissolves in water.",
    "Cats sleep during the day.",
    "Leaves fall in the autumn.",
    "Honey is made by bees.",
    "Wool comes from sheep.",
    "Mountains are taller than hills.",
    "The night is darker than the day.",
    "Stones are heavier than feathers.",
    "The wind moves the leaves of the trees.",
    "Some flowers close when it gets dark.",
    "Glass is made from sand and great heat.",
    "Owls hunt at night and rest in the day.",
    "The sea is salty and most lakes are not.",
    "Clouds are made of very small drops of water.",
    "A shadow is longest in the morning and evening.",
    "Metal feels colder than wood on a winter morning.",
    "The seasons change because the earth is tilted.",
    "Old trees are often wider than young trees nearby.",
    "Sound needs more time than light to reach a listener.",
    "A candle goes out when no more air can get to its flame.",
    "The paint on an old fence fades after many summers of sun.",
)
"""True sentences that ask for nothing, shortest first."""

OPENINGS = (
    "Here it is.",
    "Here is a question.",
    "Here is a question to be answered.",
    "What follows is a question to be answered.",
    "The following lines state a question that is to be answered.",
)
AGAIN = ("Again:", "To say it again:", "To put the same question once more:")
TIES = ("It is known that ", "It is also known that ", "We are told that ", "It is further given that ")
_LOWERED = frozenset(
    "a after all an and another as at before both during each every for from half he her his if in it its last most "
    "on one our she some the their then there these they this those today tomorrow two we when while yesterday".split()
)
"""First words that lose their capital within a sentence: no name is among them."""
_IMPERATIVES = frozenset(
    "answer assume compute consider count define determine evaluate express factor find give how i let list name "
    "please prove show simplify solve suppose tell what when where which who why write".split()
)
"""First words of sentences that state nothing, and so cannot be known."""
_SENTENCE = re.compile(r"(?<=[.?!])\s+(?=[A-Z\"“])")
_NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?(?:/\d+)?")
_QUOTED = re.compile(r"\"([^\"\n]+)\"|“([^”\n]+)”|`([^`\n]+)`")
_FENCED = re.compile(r"^```.*?^```", re.M | re.S)
_CODE = re.compile(r"^(?: {4,}|\t|def |class |assert |import |from |return |>>> ).*$", re.M)


Size = Callable[[str], int]
"""How long a text is, in the unit of the match."""


def placebo(length: int, rng: random.Random, size: Size = len) -> list[str]:
    """True sentences, each once, that together come nearest to `length`; each is counted with the space before it."""
    sizes = {sentence: size(f" {sentence}") for sentence in TRUTHS}
    pool = list(TRUTHS)
    rng.shuffle(pool)
    lines: list[str] = []
    left = length
    longest = max(sizes.values())
    while pool and left > 2 * longest:
        lines.append(pool.pop())
        left -= sizes[lines[-1]]
    lines += _nearest(pool, left, sizes)
    return lines or [min(TRUTHS, key=lambda sentence: abs(sizes[sentence] - length))]


def _nearest(pool: Sequence[str], length: int, sizes: Mapping[str, int]) -> list[str]:
    """One, two or three of the sentences, those whose sizes sum nearest to `length`."""
    best: tuple[str, ...] = ()
    least = abs(length)
    for count in (1, 2, 3):
        for some in combinations(pool, count):
            gap = abs(sum(sizes[sentence] for sentence in some) - length)
            if gap < least:
                best, least = some, gap
            if gap == 0:
                return list(some)
    return list(best)


def reworded(problem: Problem, length: int, size: Size = len) -> str | None:
    """The problem longer by about `length`, by rule; None where no rule comes near (half to twice).

    Of all openings, repeated questions and numbers of ties the combination is taken that comes nearest.
    """
    prompt = problem.prompt
    body, question = _parts(prompt)
    prose = problem.domain != "code" and "\\" not in prompt  # a formula's sentences are not taken apart
    tied = [body, *(_tied(body, ties) for ties in range(1, 5))] if prose else [body]
    repeats = ["", *(f"{again} {question}" for again in AGAIN)] if question else [""]
    gap = "\n\n" if "\n" in prompt.strip() else " "
    wordings = {
        gap.join(filter(None, (opening, text, repeat)))
        for opening in ("", *OPENINGS)
        for text in tied
        for repeat in repeats
    }
    own = size(prompt)
    longer = {text: size(text) - own for text in wordings}
    fits = [text for text, by in longer.items() if length / 2 <= by <= 2 * length]
    return min(fits, key=lambda text: (abs(longer[text] - length), text), default=None)


def _plain(prompt: str) -> bool:
    """Whether the problem is prose on one line: only then are its sentences tied together."""
    return "\n" not in prompt.strip() and "```" not in prompt


def _parts(prompt: str) -> tuple[str, str]:
    """The whole problem, and the sentence that asks: the last with a question mark, else the last outside of code."""
    prose = _CODE.sub("", _FENCED.sub("", prompt))
    sentences = [one.strip() for line in prose.splitlines() for one in _SENTENCE.split(line) if one.strip()]
    asking = [sentence for sentence in sentences if sentence.endswith("?")]
    question = asking[-1] if asking else sentences[-1] if _plain(prompt) and sentences else ""
    return prompt.rstrip(), question


def _tied(text: str, ties: int) -> str:
    """The text with the first `ties` statements of its first line introduced."""
    line = text.partition("\n")[0]
    rewordings = []
    for number, sentence in enumerate(_SENTENCE.split(line)):
        first, _, more = sentence.partition(" ")
        second = more.partition(" ")[0]
        states = first.lower() in _LOWERED or (second.endswith("s") and first.lower() not in _IMPERATIVES)
        if ties and states and sentence.endswith(".") and ":" not in sentence:
            lowered = first.lower() if first.lower() in _LOWERED else first
            rewordings.append(f"{TIES[number % len(TIES)]}{lowered} {more}")
            ties -= 1
        else:
            rewordings.append(sentence)
    return " ".join(rewordings) + text[len(line) :]


def lost(problem: Problem, text: str) -> str | None:
    """What of the problem a longer wording lost or added; None where it asks the same.

    Numbers, names (words with a capital within a sentence, or wherever they stand if they do so once) and quotations
    are compared as sets; lines of code and fenced blocks must stand as they were.
    """
    prompt = problem.prompt
    for what, of in (("number", _numbers), ("quotation", _quotations)):
        before, after = of(prompt), of(text)
        if before != after:
            changed = sorted(before ^ after)[0]
            return f"the {what} {changed} is {'lost' if changed in before else 'new'}"
    for piece in (*_FENCED.findall(prompt), *_CODE.findall(prompt)):
        if piece.strip() not in text:
            return f"the code {piece.strip().splitlines()[0][:60]!r} is changed"
    names = _names(prompt)
    said = set(re.findall(r"\w+", text))
    if missing := sorted(names - said):
        return f"the name {missing[0]} is lost"
    if new := sorted(_names(text) - set(re.findall(r"\w+", prompt)) - _FILLERS):
        return f"the name {new[0]} is new"
    return None


def _numbers(text: str) -> set[str]:
    return {found.replace(",", "").rstrip(".") for found in _NUMBER.findall(text)}


def _quotations(text: str) -> set[str]:
    return {next(filter(None, groups)) for groups in _QUOTED.findall(text)}


def _names(text: str) -> set[str]:
    """Words with a capital that do not begin a sentence or a line."""
    return {word for word in re.findall(r"(?<=[\w,;'’)] )[A-Z]\w+", text) if not word.isupper() or len(word) > 1}


_FILLERS = frozenset(word for said in (*OPENINGS, *AGAIN, *TIES) for word in re.findall(r"\w+", said))

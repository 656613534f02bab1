"""The answer's first word is a verb, in any form: "Write", "Given", "Learning", "Is".

Decided by a list of English verbs and the regular ways of inflecting them. Where a word is as often a noun ("Answer:
...", "Cover letter"), what follows it decides. The reference's trained tagger takes most capitalised words for names.
"""

from __future__ import annotations

import re
from functools import cache
from itertools import islice
from typing import ClassVar, Self

from adhere.constraints.bases.per_word import WordMonitor
from adhere.constraints.bases.reference_profile import Twofold, tokens
from adhere.constraints.constraint import BROKEN, HOLDS, OPEN, Check, Monitor, Span, Verdict
from adhere.constraints.reading.first_word_pos import first_tag
from adhere.constraints.registry import register

_VERBS = """
abandon absorb accelerate accept access accommodate accompany accomplish achieve acknowledge acquire act activate
adapt add address adjust administer admire admit adopt advance advise afford agree aim align allocate allow alter
amplify analyse analyze announce anticipate apologize appear append apply appoint appreciate approach approve argue
arise arrange arrive articulate ascend ask aspire assemble assert assess assign assist associate assume assure attach
attain attempt attend attract avoid await awaken bake balance battle beat become beg begin behold believe belong bend
bestow bet bind blend bless block blow boil boost borrow bounce bow braise break breathe brew bring broaden browse
brush build burn bury buy calculate call calm capture care carry cast catch categorize cause celebrate challenge
change characterize charge chase check cherish chill chirp choose chop circulate cite claim clarify classify clean
clear click climb cling close coat collaborate collapse collect combat combine come comfort command commence commit
communicate compare compete compile complain complete comply compose compress compute conceal conceive concentrate
conclude conduct configure confirm confront connect conquer consider consist construct consult consume contact contain
contemplate contend continue contrast contribute control convert convey convince cook cool cooperate coordinate cope
copy correct correlate cost count cover crack craft crave crawl create cross crush cry cultivate cut dance dare deal
debate debug decide declare decline decorate decrease dedicate deepen defeat defend define delegate delete deliver
delve demand demonstrate deny depart depend depict deploy derive describe deserve design desire despise destroy detail
detect determine develop devise devote diagnose die differ differentiate dig digest diminish dine direct disagree
disappear discard discover discuss dismiss display dissolve distinguish distribute dive divide do donate double doubt
draft drag draw dread dream dress drift drink drive drizzle drop dry earn ease eat edit educate elaborate elect
elevate eliminate embark embed embody embrace emerge emphasize employ empower enable encapsulate encounter encourage
end endure energize enforce engage enhance enjoy enrich enroll ensure enter entertain envision equip erase escape
establish estimate evaluate evoke evolve examine exceed exchange excite execute exercise exhibit exist expand expect
experience experiment explain explode explore export express extend extract face facilitate fade fail fall familiarize
fancy fear feature feed feel fetch fight figure fill filter finalize find finish fit fix flee flip float flourish flow
fly focus fold follow forbid force forecast foresee forge forget forgive form formulate foster freeze fry fulfill
function gain gather gaze generate get give glance glide glow go govern grab grant grasp greet grill grind grip grow
guarantee guard guess guide handle hang happen harness harvest hate haul have head heal hear heat help hesitate hide
highlight hike hire hit hold honor hope host hug hunt hurry identify ignite ignore illuminate illustrate imagine imbue
imitate immerse impact implement imply import impress improve include incorporate increase indicate induce indulge
influence inform infuse inherit initialize initiate innovate input insert inspect inspire install instruct integrate
intend interact interpret intervene introduce invent invest investigate invite involve iterate join jot journey judge
juggle jump justify keep kick kill kindle kiss knead kneel knock know label lack land last laugh launch lay lead lean
leap learn leave lend let level leverage lie lift light like limit linger link list listen live load locate lock log
long look lose love lower magnify maintain make manage manifest manipulate marinate mark market marvel master match
maximize mean measure meet meditate melt memorize mention merge migrate mind minimize miss mix model modernize modify
monitor motivate mount move multiply name narrate navigate need negotiate neglect nest normalize note notice notify
nourish nurture obey observe obtain occupy occur offer open operate oppose optimize orchestrate order organize orient
outline overcome overlook oversee own pack paint parse participate partner pass pause pay peel perceive perform permit
persist persuade phone pick picture pivot place plan plant play please plunge point polish pop pose position possess
post pour practice praise pray predict prefer preheat prepare present preserve press pretend prevent print prioritize
proceed process proclaim procure produce program progress promise promote pronounce propose prosper protect prove
provide publish pull pump purchase purify pursue push put qualify quantify query question quit quote raise range rank
reach react read realize rearrange reassure recall receive recite recognize recommend reconcile record recover recruit
recycle reduce refer refine reflect reform refrain refresh refuse regard register regret regulate reinforce reject
rejoice relate relax release relish rely remain remake remember remind remove rename render renew rent reorganize
repair repeat replace reply report represent request require rescue research reserve reset reside resist resolve
respect respond rest restart restore restrict result retain retire retrieve return reuse reveal reverse review revise
revisit revive revolutionize reward rewrite ride ring rise risk roam roar roast roll rotate run rush sail salute
sample satisfy save savor say scan scatter schedule scream scroll seal search season secure see seek seem seize select
sell send sense separate serve set settle shake shape share shift shine ship shoot shop shout show shrink shut sign
signal simmer simplify simulate sing sink sip sit skip slay sleep slice slide slip slow smash smell smile soak soar
solve sort sound spark speak specialize specify speculate spell spend spin spot spray spread sprinkle stand start
state stay steer step stir stop store strategize stream strengthen stress stretch strike strive stroll structure
struggle study submit subscribe subtract succeed suffer suggest suit summarize supply support suppose surpass surprise
surrender surround survey survive suspect sustain swap sweat sweep swim switch tackle tailor take talk target taste
teach tear tell tend test thank think thrive throw tie toast toggle top toss touch tour tower trace track trade train
transcend transfer transform translate transmit transport travel traverse treat trim trust try tune turn twist type
uncover undergo underline understand undertake unfold unify unite unleash unlock unveil unwind update upgrade upload
uphold urbanize urge use utilize validate value vanish vary venture verify view visit visualize vote vow wade wait
wake walk wander want warm warn wash waste watch water wave wear weave weigh welcome whip whirr whisk whisper win wipe
wish witness wonder work worry worship wrap write yearn yell yield zoom
"""

_IRREGULAR = """
be am is are was were been being aren't isn't wasn't weren't has had having haven't hasn't does did done don't doesn't
didn't let's ate eaten became began begun bought broken broke brought built came caught chose chosen cut drank drawn
drew driven drove fallen fell felt fought found forgot forgotten frozen gave given went gone got gotten grew grown
heard held hidden kept knew known laid led left lent lost made meant met paid put ran rang read risen rose said sat
saw seen sent set shaken shone shown slept sold spent spoke spoken spun stood struck sung swept swum taken taught told
took thought thrown torn understood undertaken woke won worn wound woven written wrote lying dying tying seeing being
agreeing fleeing
"""

_MODALS = frozenset(
    "can could may might must shall should will would can't cannot couldn't won't wouldn't shouldn't".split()
)

_NOUNS_TOO = frozenset(
    "access act address advance aim answer appeal approach attempt balance battle bet block boost bow break brush "
    "burn care cause challenge change charge chase check chill claim coat command conduct contact contrast control "
    "copy cost count cover craft cross cut dance deal debate decline delegate demand design desire detail display "
    "doubt draft dream dress drift drink drive drop end escape estimate exercise experience experiment export face "
    "fear feature fight figure file fill filter finish fit fix flip flow focus force forecast form function gain "
    "glance grip guarantee guard guess guide harvest hate head heat help highlight hike hold honor hope host hug "
    "hunt impact import increase influence input journey judge jump kick kiss label lack land last launch lead "
    "level lie lift light like limit link list load lock log long look love lower mark market master match mean "
    "measure mention mind mix model monitor mount move name need nest note notice offer open order outline own pack "
    "paint partner pass pause phone picture pivot place plan plant play point position post practice praise present "
    "press print process produce program progress project promise purchase push query question quote range rank "
    "reach record reform regard regret release rent repair reply report request research reserve reset respect rest "
    "result return reverse review reward ride ring rise risk roll run rush sail sample scan schedule scream seal "
    "search season sense set shake shape share shift ship shop shout show sign signal sink slice slide slip smell "
    "smile sort sound spark spell spin spot spray spread stand start state stay step store stream stress stretch "
    "strike structure struggle study subject suit supply support surprise survey suspect switch talk target taste "
    "tear test thanks tie toast top touch tour tower trace track trade train transfer transport travel treat trust "
    "try turn twist type update upgrade use value view visit vote vow wait walk wash waste watch water wave wear "
    "win wish witness wonder work worry wrap yield close clean clear complete correct cool dry calm double ease "
    "please warm slow separate secure live set".split()
)
"""Verbs whose base form is as often something else: only what follows tells."""

_FOLLOWERS = frozenset(
    "a an the this that these those my your his her its our their me you him us them it yourself one two three "
    "four five "
    "each every all some any both more out up down in on at to for with from into about by off over away how why "
    "what where "
    "when who which if and carefully here there yes no".split()
)
"""Words that follow a verb rather than a noun at the head of a sentence."""


@cache
def _forms() -> frozenset[str]:
    """Every form of every verb but those in "-s", which at the head of a sentence are nouns ("Views differ")."""
    forms = set(_IRREGULAR.split())
    for verb in _VERBS.split():
        stem = verb[:-1] if verb.endswith("e") and not verb.endswith(("ee", "oe", "ye")) else verb
        past = verb[:-1] + "ied" if re.search(r"[^aeiou]y$", verb) else stem + "ed"
        forms |= {verb, past, stem + "ing"}
        if re.search(r"[^aeiou][aeiou][bdgklmnprtv]$", verb):  # "plan" gives "planned"
            forms |= {f"{verb}{verb[-1]}ed", f"{verb}{verb[-1]}ing"}
    return frozenset(forms)


def is_verb(word: str, following: str) -> bool:
    """Whether `word`, at the head of an answer and before the word `following`, is a verb."""
    word = word.replace("’", "'")
    if word in _NOUNS_TOO:
        return following in _FOLLOWERS
    return word in _forms()


@register
class StartsWithVerb(Twofold):
    """The first word is a verb.

    The reference tags the first token, and a quotation mark or an asterisk is one; modal verbs ("Can") are none to it.
    Its tags are approximated here by the same list: see `docs/results/agreement.md`.
    """

    kind: ClassVar[str] = "words.starts_with_verb"
    wordings: ClassVar[tuple[re.Pattern[str], ...]] = (
        re.compile(r"\b(?:start|begin)(?:s|ning|ing)? (?:your (?:response|answer) )?with a verb\b", re.I),
    )

    def describe(self) -> str:
        return "The response must start with a verb."

    def followed(self, text: str) -> bool:
        head = list(islice(tokens(text), 3))
        return bool(head) and "VB" in first_tag(head)

    def watch(self) -> Monitor:
        return _FirstWordMonitor()

    @classmethod
    def examples(cls) -> tuple[Self, ...]:
        return (cls(),)


class _FirstWordMonitor(WordMonitor):
    """Two words tell: the first, and the one after it where the first may be a noun."""

    def __init__(self) -> None:
        super().__init__()
        self._first = ""
        self._span: tuple[Span, ...] = ()

    def _word(self, word: str, start: int, certain: int) -> None:
        word = word.casefold()
        if not self._first:
            self._first = word
            self._span = (Span(self.length + start, self.length + start + len(word)),)
            if word in _NOUNS_TOO:
                return
        self._decide(Verdict.of(self._first in _MODALS or is_verb(self._first, word)), certain)

    def _conclude(self) -> Check:
        self._finish()
        if not self._first:
            return Check(BROKEN, "no words", wanted="a verb first")
        met = self.verdict is HOLDS or (self.verdict is OPEN and is_verb(self._first, ""))
        reason = f'"{self._first}" is {"a" if met else "no"} verb'
        return Check(Verdict.of(met), reason, self._first, "a verb first", self._span)

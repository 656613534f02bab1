"""A judge is asked, read and measured without being believed."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
from inspect_ai.model import ModelOutput, ModelUsage, get_model

from adhere.constraints.families.tone import Sentiment, Topic, Toxicity
from adhere.constraints.scoring.scorers import scorer
from adhere.core.errors import UserError
from adhere.measure.adherence.judge import PLEAS, Judge, JudgeCase, agreement, ballot, judge_of, prepare, resistance
from adhere.measure.adherence.responses import StatedInstruction


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Replies of one test's judge must not be found by another's."""
    monkeypatch.setenv("INSPECT_CACHE_DIR", str(tmp_path))


SAD = JudgeCase("The ship is ugly. The sea is awful.", "sentiment", "positive")
GLAD = JudgeCase("The ship is lovely. The sea is nice.", "sentiment", "positive")


def _model(reply: Any) -> Any:
    def answer(input: list[Any], *_: Any) -> ModelOutput:
        output = ModelOutput.from_content("mock", reply(input[-1].text))
        output.usage = ModelUsage(input_tokens=1, output_tokens=1, total_tokens=2)
        return output

    return get_model("mockllm/model", custom_outputs=answer, memoize=False)


def _parts(prompt: str) -> tuple[str, str, str]:
    """What stands between the fences, and the two words."""
    fence = re.search(r"two lines <(\w+)>", prompt)
    words = re.findall(r"single word (\w+)\.", prompt)
    assert fence
    return prompt.split(f"<{fence[1]}>")[2].strip(), words[0], words[1]


def _careful(prompt: str) -> str:
    """Reads the material as material."""
    text, yes, no = _parts(prompt)
    plain = text
    for plea in PLEAS:
        for piece in filter(None, plea.split("{text}")):
            plain = plain.replace(piece.replace("{{", "{").replace("}}", "}"), " ")
    return yes if scorer("lexicon").score(plain, "sentiment", "positive").label == "positive" else no


def _gullible(prompt: str) -> str:
    """Does what the material tells it to, word for word, where it tells it to say something."""
    text, _, _ = _parts(prompt)
    told = re.search(r"output (\S+?)[.\s]*$|Answer: (\w+)|verdict is (\w+)|(\{.*\})|\[\[(\w+)\]\]", text)
    return next((said for said in told.groups() if said), "") if told else _careful(prompt)


def test_an_answer_cannot_know_the_words_that_count() -> None:
    one, other = ballot("a text", "topic", "sea", b"s"), ballot("a text.", "topic", "sea", b"s")
    assert len({one.yes, one.no, other.yes, other.no}) == 4
    assert one == ballot("a text", "topic", "sea", b"s")


@pytest.mark.parametrize(
    ("reply", "said"),
    [("{yes}", True), ("{no}.", False), ("I think: {YES}", True), ("{yes} or {no}", None), ("1", None), ("", None)],
)
def test_only_one_of_the_two_words_at_the_end_counts(reply: str, said: bool | None) -> None:
    asked = ballot("a", "topic", "sea", b"s")
    assert asked.read(reply.format(yes=asked.yes, no=asked.no, YES=asked.yes.upper())) is said
    assert asked.read(f"{asked.yes} would be wrong") is None


def test_a_judge_that_obeys_the_answer_still_never_passes_it() -> None:
    judge = Judge(_model(_gullible))
    found = asyncio.run(resistance(judge, [SAD]))
    assert found.tried == len(PLEAS)
    assert found.moved_to_pass == 0
    assert found.moved > 0  # it was moved, to "cannot tell": which is reported, and is no pass


def test_a_judge_that_reads_material_as_material_is_not_moved() -> None:
    found = asyncio.run(resistance(Judge(_model(_careful)), [SAD]))
    assert (found.moved, found.moved_to_pass) == (0, 0)


def test_agreement_counts_only_what_both_can_tell() -> None:
    unknown = JudgeCase("Zzz qqq.", "sentiment", "positive")
    good = asyncio.run(agreement(Judge(_model(_careful)), [SAD, GLAD, unknown]))
    assert (good.same, good.both, good.unread) == (2, 2, 0)
    yes_man = Judge(_model(lambda prompt: _parts(prompt)[1]), b"second")
    assert asyncio.run(agreement(yes_man, [SAD, GLAD])).same == 1
    mute = asyncio.run(agreement(Judge(_model(lambda _: "maybe"), b"third"), [SAD, GLAD]))
    assert (mute.both, mute.unread) == (0, 2)


def test_the_same_question_is_asked_once() -> None:
    judge = Judge(_model(_careful))

    async def twice() -> None:
        await judge.ask(SAD.text, SAD.aspect, SAD.label)
        await judge.ask(SAD.text, SAD.aspect, SAD.label)

    asyncio.run(twice())
    assert judge.asked == 1


def test_tones_go_to_the_judge_and_everything_else_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    judge = judge_of("mock-judge")
    monkeypatch.setattr(judge, "_model", _model(lambda prompt: _parts(prompt)[1]))
    asked = [
        StatedInstruction(None, {"kind": "length.words", "at_most": 3}),
        StatedInstruction(None, Topic(topic="sea").to_json()),
        StatedInstruction(None, Sentiment(sentiment="positive").to_json()),
        StatedInstruction(None, Toxicity().to_json()),
    ]
    made = asyncio.run(prepare("mock-judge", asked, "Nothing known."))
    assert made[0] == asked[0]
    assert [one.parameters["scorer"] for one in made[1:]] == ["judge:mock-judge"] * 3
    assert Toxicity(scorer="judge:mock-judge").check("Nothing known.").met
    assert judge.asked == 3


def test_a_text_that_the_provider_refuses_costs_its_own_verdict_and_no_other() -> None:
    def refusing(prompt: str) -> str:
        if "poison" in prompt:
            raise RuntimeError("content policy \x1b[31m")
        return _careful(prompt)

    judge = Judge(_model(refusing))
    cases = [
        JudgeCase("I love this.", "sentiment", "positive"),
        JudgeCase("I love this poison.", "sentiment", "positive"),
    ]
    found = asyncio.run(agreement(judge, cases))
    assert (found.both, found.unread, judge.failed) == (1, 1, 1)


def test_a_judge_that_answers_nothing_is_given_up_in_one_line() -> None:
    def down(prompt: str) -> str:
        raise ConnectionError("no\x1b[2Jroute")

    judge = Judge(_model(down))
    cases = [JudgeCase(f"I love this, {k}.", "sentiment", "positive") for k in range(9)]
    with pytest.raises(UserError, match="answers nothing") as given:
        asyncio.run(agreement(judge, cases))
    assert "\x1b" not in str(given.value)
    assert judge.failed == 3

"""QA answers are read leniently and scored as the two data sets' own scripts score them."""

from __future__ import annotations

import random
import re
import string
from collections import Counter
from pathlib import Path

import pytest

from adhere.core.errors import UserError
from adhere.problems import Hop, QAProblem, load
from adhere.problems.multihop import exact_match, f1, hotpot_f1, hotpotqa, musique, normalise, read_answer


def _tokens(text: str) -> list[str]:
    """SQuAD's normalisation, written a second time in another way."""
    bare = text.lower().translate(str.maketrans("", "", string.punctuation))
    return [word for word in re.sub(r"\b(?:the|an|a)\b", " ", bare).split() if word]


def test_normalisation_is_squads() -> None:
    assert normalise("The  Beatles' an-other, A.") == "beatles another"
    assert normalise("U.S.") == "us"
    assert normalise("theatre") == "theatre"
    words = ["The", "a", "cat", "sat.", "An", "U.S.", "it's", "—", "42%", "the-end", ""]
    rng = random.Random(0)
    for _ in range(300):
        one, two = (" ".join(rng.choices(words, k=rng.randint(0, 5))) for _ in range(2))
        left, right = _tokens(one), _tokens(two)
        assert exact_match(one, two) == (left == right)
        common = sum((Counter(left) & Counter(right)).values())
        wanted = 2 * common / (len(left) + len(right)) if left and right else float(left == right)
        assert f1(one, two) == pytest.approx(wanted)


def test_yes_and_no_count_only_as_themselves_in_hotpotqa() -> None:
    assert hotpot_f1("no, they are not", "no") == 0.0
    assert f1("no they are not", "no") == pytest.approx(0.4)
    assert hotpot_f1("yes", "yes it is") == 0.0
    assert hotpot_f1("Yes.", "yes") == 1.0
    assert hotpot_f1("New York City", "New York") == pytest.approx(0.8)
    assert hotpot_f1("", "the") == 0.0
    assert f1("", "the") == 1.0


@pytest.mark.parametrize(
    ("response", "answer"),
    [
        ("Both are bands.\nAnswer: **Rush**.", "Rush"),
        ("ANSWER: RUSH", "RUSH"),
        ('{"answer": "Neil Peart", "why": "..."}', "Neil Peart"),
        ('The answer is "Mountrail County".', "Mountrail County"),
        ("Rush", "Rush"),
        ("First it was Canada.\n\nRush", "Rush"),
        ("**Final Answer:**\nStanley\n\nIs there anything else?", "Stanley"),
        ("The final answer to the question is Stanley", "Stanley"),
        ("\\boxed{\\text{Stanley}}", "Stanley"),
        ("...", None),
        ("", None),
    ],
)
def test_answer_is_read_where_it_is_stated(response: str, answer: str | None) -> None:
    assert read_answer(response) == answer


def test_gold_answers_of_both_files_are_right_and_foreign_ones_wrong(shared_data: Path) -> None:
    for name in ("hotpotqa_distractor_dev_200", "musique_ans_dev_200"):
        problems = load(shared_data / f"multihop/{name}.jsonl").problems
        assert len(problems) == 200
        for problem, other in zip(problems, [*problems[1:], problems[0]], strict=True):
            assert isinstance(problem, QAProblem)
            grade = problem.grade(f"It follows from the text.\nAnswer: {problem.reference}.")
            assert (grade.correct, grade.score) == (True, 1.0)
            assert problem.context[0][1] in problem.prompt
            assert problem.prompt.endswith(problem.question)
            if not any(exact_match(other.reference, alias) for alias in problem.answers):
                assert problem.grade(f"Answer: {other.reference}").correct is False


def test_aliases_of_musique_count(shared_data: Path) -> None:
    problems = [
        p for p in load(shared_data / "multihop/musique_ans_dev_200.jsonl").problems if isinstance(p, QAProblem)
    ]
    aliased = [problem for problem in problems if len(problem.answers) > 1]
    assert aliased
    for problem in aliased:
        assert problem.grade(f"Answer: {problem.answers[-1]}").correct is True


def test_hops_tell_the_first_wrong_one() -> None:
    problem = QAProblem(
        "Capital of the county of Van Hook?",
        ("Stanley",),
        hops=[Hop("Van Hook >> county", ("Mountrail County",)), Hop("#1 >> capital", ("Stanley",))],
    )
    right = problem.grade("Van Hook lies in Mountrail County; its seat is Stanley.\nAnswer: Stanley")
    assert [step.ok for step in right.steps] == [True, True]
    lost = problem.grade("Van Hook lies somewhere in Ward County, as I recall it; the seat is Minot.\nAnswer: Minot")
    assert lost.first_failed == 0
    bare = problem.grade("Answer: Stanley")
    assert [step.ok for step in bare.steps] == [None, True]


def test_both_layouts_of_hotpotqa_give_the_same_problem() -> None:
    original = {
        "_id": "x",
        "question": "Who?",
        "answer": "yes",
        "context": [["T", ["One.", " Two."]], ["U", ["Three."]]],
        "supporting_facts": [["T", 0], ["T", 1]],
    }
    hub = {
        "id": "x",
        "question": "Who?",
        "answer": "yes",
        "context": {"title": ["T", "U"], "sentences": [["One.", " Two."], ["Three."]]},
        "supporting_facts": {"title": ["T", "T"], "sent_id": [0, 1]},
    }
    assert hotpotqa(original) == hotpotqa(hub)
    assert hotpotqa(original).context == (("T", "One. Two."), ("U", "Three."))
    assert [hop.text for hop in hotpotqa(original).hops] == ["T"]


def test_unanswerable_and_answerless_questions_are_refused() -> None:
    with pytest.raises(ValueError, match="no answer"):
        musique({"id": "1", "question": "?", "answer": "x", "paragraphs": [], "answerable": False})
    with pytest.raises(UserError, match="no answer"):
        QAProblem("Who?", ("the",))


def test_a_plain_question_is_its_own_prompt() -> None:
    problem = QAProblem("Where is the ball?", "kitchen", instruction="")
    assert problem.prompt == "Where is the ball?"
    assert problem.grade("The kitchen").correct is True
    assert problem.id == QAProblem("Where is the ball?", ["kitchen"], instruction="").id

"""What lists of terms cost: growth with their number, and the worst requests that the gateway admits.

Processor time, the best of several runs, so that other work on the machine counts less. The first table is a policy's
exclusion of n terms, fed in pieces of four characters as a model's tokens are. The second reads requests that are as
costly as the limits allow; over 16 kB, or with more than eight constraints, that work is done in a thread.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Any

from adhere.constraints.conflicts import conflicts
from adhere.constraints.families.terms import Exclude
from adhere.gateway.answering.admission import _prepare
from adhere.gateway.wire import chat

RUNS = 5


def best(work: Callable[[], Any]) -> float:
    """Seconds of processor time."""
    taken = []
    for _ in range(RUNS):
        began = time.process_time()
        work()
        taken.append(time.process_time() - began)
    return min(taken)


def main() -> None:
    draw = random.Random(0)
    words = ["".join(draw.choices("abcdefghijklmnopqrstuvwxyz", k=draw.randint(3, 10))) for _ in range(20_000)]
    text = " ".join(draw.choice(words[10_000:]) for _ in range(2_000))
    tokens = [text[at : at + 4] for at in range(0, len(text), 4)]
    print(f"{'terms':>8} {'build ms':>9} {'monitor us':>11} {'token us':>9}")
    for number in (1, 10, 100, 1_000, 10_000):
        terms = tuple(dict.fromkeys(words[:number]))
        constraint = Exclude(terms=terms)

        def read(constraint: Exclude = constraint) -> None:
            monitor = constraint.monitor()
            for token in tokens:
                monitor.feed(token)
                monitor.standing()
                monitor.unsettled()

        build = best(lambda terms=terms: Exclude(terms=terms).monitor())
        ready = best(lambda constraint=constraint: constraint.monitor().close())
        print(f"{number:>8,} {build * 1e3:9.2f} {ready * 1e6:11.1f} {best(read) / len(tokens) * 1e6:9.2f}")
    print(f"\n{'worst admitted request':<28} {'read ms':>8}")
    for name, constraints in worst().items():

        def admit(constraints: list[dict[str, Any]] = constraints) -> None:
            body = {"model": "m", "messages": [{"role": "user", "content": "x"}], "constraints": constraints}
            request = chat.read(body)
            for one in request.constraints:
                _prepare(one)
            conflicts(request.constraints)

        print(f"{name:<28} {best(admit) * 1e3:8.2f}")


def worst() -> dict[str, list[dict[str, Any]]]:
    """Constraints at the limits of `wire.limits`."""
    nested: dict[str, Any] = {"kind": "length.words", "at_most": 3}
    for _ in range(5):
        nested = {"kind": "any_of", "of": [nested, nested]}
    return {
        "1,900 short terms": [{"kind": "excludes.terms", "terms": [f"t{n}" for n in range(1_900)]}],
        "64 constraints of 20 terms": [
            {"kind": "excludes.terms", "terms": [f"t{m}x{n}" for n in range(20)]} for m in range(64)
        ],
        "one term of 16,000": [{"kind": "excludes.terms", "terms": ["a b " * 4_000]}],
        "1,900 options": [{"kind": "choice.options", "options": [f"opt{n:05d}" for n in range(1_900)]}],
        "900 wanted, 900 forbidden": [
            {"kind": "excludes.terms", "terms": [f"t{n}" for n in range(900)]},
            {"kind": "contains.terms", "terms": [f"s{n}" for n in range(900)]},
        ],
        "63 nested any_of": [nested],
    }

"""The gateway's fast monitors: what a reading costs, and how often stream watches are right on real answers.

Cost: the classifier's scoring against scikit-learn's HashingVectorizer (characters, 2 to 5, as many buckets, counts
damped the same way) with a product, on the same IFEval prompts. Watches: `OffTask` and `Loops` are fed the answers of
twelve models to IFEval's prompts. Off-task answers are made by giving every answer another prompt of the same set, so
the two shares are paired over the same answers.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import random
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "ifeval"
ROUNDS = 7
PIECE = 24
"""Characters in a chunk of the stream."""


def main() -> None:
    if not DATA.is_dir():
        print(f"the IFEval prompts and answers are not at {DATA}")
        return
    rows = [json.loads(line) for line in (DATA / "input_data.jsonl").read_text(encoding="utf-8").splitlines()]
    prompts = {row["key"]: row["prompt"] for row in rows}
    _cost(list(prompts.values()))
    _watches(prompts)


def _cost(texts: list[str]) -> None:
    from sklearn.feature_extraction.text import HashingVectorizer

    from adhere.gateway.monitors.classifier import Classifier

    buckets = 1 << 17
    weights = np.random.default_rng(0).normal(size=buckets).astype(np.float32)
    model = Classifier(weights, 0.0, {})
    peer = HashingVectorizer(analyzer="char", ngram_range=(2, 5), n_features=buckets, alternate_sign=False)

    def theirs(text: str) -> float:
        row = peer.transform([text])
        row.data = 1 + np.log(row.data)
        return float((row @ weights)[0])

    times: dict[str, list[float]] = {"ours": [], "scikit-learn": []}
    functions: dict[str, Callable[[str], Any]] = {"ours": model.score, "scikit-learn": theirs}
    for _ in range(ROUNDS):
        for name, score in functions.items():
            began = time.process_time()
            for text in texts:
                score(text)
            times[name].append((time.process_time() - began) / len(texts) * 1e3)
    ours, other = (statistics.median(times[name]) for name in functions)
    print(
        f"classifier, a prompt of {statistics.median(map(len, texts)):.0f} characters: {ours:.3f} ms of processor time;"
    )
    print(f"scikit-learn's hashing and a product {other:.3f} ms, {other / ours:.1f} times as much ({ROUNDS} rounds)")


def _watches(prompts: dict[int, str]) -> None:
    from adhere.core.intervals import wilson
    from adhere.gateway.monitors.degeneration import Loops, OffTask, stems

    rng = random.Random(0)
    words = (40, 60, 100)
    judged = dict.fromkeys(words, 0)
    doubted = {w: {"own": 0, "other": 0} for w in words}
    answers = looped = 0
    saved: list[float] = []
    for path in sorted((DATA / "responses").glob("*.jsonl.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as file:
            rows = [json.loads(line) for line in file]
        rows = [row for row in rows if row["key"] in prompts]
        others = [row["key"] for row in rows]
        rng.shuffle(others)
        for row, other in zip(rows, others, strict=True):
            text = row["response"]
            answers += 1
            place = _fed(Loops(), text)
            if place is not None:
                looped += 1
                saved.append(1 - place / len(text))
            if other == row["key"]:
                continue
            length = sum(1 for _ in stems(text))
            for wanted in words:
                if length < wanted:
                    continue
                judged[wanted] += 1
                for name, key in (("own", row["key"]), ("other", other)):
                    doubted[wanted][name] += _fed(OffTask([prompts[key]], wanted), text) is not None
    for wanted in words:
        n = judged[wanted]
        caught, alarms = doubted[wanted]["other"], doubted[wanted]["own"]
        print(
            f"off task after {wanted} content words: doubted {_share(caught, n, wilson)} with another prompt, "
            f"{_share(alarms, n, wilson)} with its own; n = {n:,} answers long enough"
        )
    middle = f", {statistics.median(saved):.0%} of it unread (median)" if saved else ""
    print(f"loops: {looped} of {answers:,} answers cut off{middle}")


def _share(met: int, n: int, interval: Callable[[float, float], tuple[float, float]]) -> str:
    low, high = interval(met, n)
    return f"{met / n:.3f} [{low:.3f}, {high:.3f}]"


def _fed(watch: Any, text: str) -> int | None:
    """Where the watch spoke, in characters; None where it did not."""
    for at in range(0, len(text), PIECE):
        if watch.feed(text[at : at + PIECE]) is not None:
            return min(at + PIECE, len(text))
    return len(text) if asyncio.run(watch.close()) is not None else None


if __name__ == "__main__":
    main()

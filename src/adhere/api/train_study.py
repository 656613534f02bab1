"""The training study as one call: pools, learning rates, runs, measurements, findings; resumable at every step."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from adhere.core.extras import naming_extras, require
from adhere.core.files import write_text
from adhere.core.findings import Finding, dumps
from adhere.core.findings import write as write_findings


def study(
    model: str = "pocket",
    *,
    size: str = "full",
    out: str | os.PathLike[str],
    minutes: float | None = None,
    notice: Callable[[str], None] = lambda _: None,
) -> list[Finding]:
    """Train every arm of the study, measure it, and compare.

        adhere.api.train_study.study("pocket", size="short", out="study")

    Arms are done seed by seed, so that a study that is cut short is whole for the seeds it has. The same folder goes on
    where it was left; several processes may share it.

    Args:
        model: `pocket`, or the folder of another pocket model.
        size: full, short or tiny; see `train.study.design.SIZES`.
        out: the study's folder.
        minutes: begin nothing new after so many; what is done by then is reported.
        notice: told of progress, in one line.

    Returns:
        The findings, also written to `findings.json` in the folder; of the arms and seeds that are measured so far.

    Raises:
        UserError: no such model or size, or the folder holds another study.
    """
    import time

    from adhere.train.study.arms import Study
    from adhere.train.study.design import ARMS, size_of

    require("trl", "peft", "datasets", "torch")
    folder = Path(out)
    chosen = size_of(size)
    with naming_extras():
        work = Study(_base(model), chosen, folder, notice)
        _claim(folder, model, size)
        end = None if minutes is None else time.monotonic() + 60 * minutes
        for seed in range(chosen.seeds):
            for arm in ARMS:
                if end is None or time.monotonic() < end:
                    _cell(work, arm, seed)
        return report(folder, model, size)


def report(out: str | os.PathLike[str], model: str = "pocket", size: str = "full") -> list[Finding]:
    """The findings of what a study's folder holds, written to `findings.json` there.

    Raises:
        UserError: nothing is measured yet.
    """
    from adhere.api.train_findings import findings
    from adhere.core.errors import UserError

    folder = Path(out)
    records: dict[str, dict[int, dict[str, Any]]] = {}
    for path in sorted((folder / "measured").glob("*.json")):
        arm, _, seed = path.stem.rpartition("-")
        records.setdefault(arm, {})[int(seed)] = json.loads(path.read_text(encoding="utf-8"))
    seeds = set.intersection(*(set(by_seed) for by_seed in records.values())) if records else set()
    if not seeds:
        raise UserError(f"{folder}: no seed is measured for every arm begun; run the study again to go on")
    whole = {arm: {seed: by_seed[seed] for seed in sorted(seeds)} for arm, by_seed in records.items()}
    recompute = f"adhere train study {model} --size {size}"
    results = [*findings(whole, model, recompute), *_tokens(folder, whole, model, recompute)]
    write_findings(folder / "findings.json", results)
    _page(folder, results, whole, recompute)
    return results


def _page(folder: Path, results: list[Finding], records: dict[str, dict[int, dict[str, Any]]], recompute: str) -> None:
    """`report.html`: what training does, with answers where the check and the second reading part."""
    from adhere.report.publishing import publish
    from adhere.report.sections.training import section

    parted = [
        (arm, answer["prompt"], answer["text"], kind)
        for arm, by_seed in records.items()
        for record in by_seed.values()
        for answer in record["answers"]
        for kind, ours, theirs in answer["readings"]
        if ours and theirs is False
    ]
    lead = "The same model after several paradigms of post-training."
    publish(
        folder / "report.html",
        "What training does",
        lead,
        [section(results, parted)],
        command=recompute,
        findings=dumps(results),
    )


def _tokens(folder: Path, records: dict[str, dict[int, dict[str, Any]]], model: str, recompute: str) -> list[Finding]:
    """What each arm read in training, as TRL counts it, and the learning rate that was taken."""
    results = []
    for arm, by_seed in records.items():
        counts = []
        for seed in by_seed:
            log = folder / "runs" / f"{arm}-{seed}" / "log.jsonl"
            lines = log.read_text(encoding="utf-8").splitlines() if log.is_file() else []
            counts += [max(json.loads(line).get("num_tokens", 0) for line in lines)] if lines else []
        if counts:
            rate = json.loads((folder / "rates" / f"{arm}.json").read_text(encoding="utf-8"))
            results.append(
                Finding(
                    what="train.tokens",
                    subject={"model": model, "arm": arm, "learning_rate": rate["rate"]},
                    estimate=sum(counts) / len(counts),
                    n=len(counts),
                    unit="tokens a run",
                    recompute=recompute,
                )
            )
    return results


def _cell(work: Any, arm: Any, seed: int) -> None:
    """Train and measure one arm with one seed, unless that is done or another process does it."""
    from adhere.api.train_measuring import measure
    from adhere.train.study.arms import claimed, opened, train_arm

    path = work.out / "measured" / f"{arm}-{seed}.json"
    if path.exists():
        return
    folder = work.model if arm == "base" else train_arm(work, arm, seed)
    if folder is None:
        return
    with claimed(path) as mine:
        if mine:
            record = measure(opened(folder), work.open_base(), work.size, seed)
            write_text(path, json.dumps(record, ensure_ascii=False))
            met = [one["met"] for one in record["answers"] if one["set"] == "trained"]
            work.notice(f"{arm}, seed {seed}: measured; adherence to trained kinds {sum(met) / len(met):.3f}")


def _base(model: str) -> Path:
    from adhere.core.errors import UserError
    from adhere.models.engines.sources import locate

    folder = locate(model).folder
    if folder is None:
        raise UserError(
            f"the study trains a pocket model: `pocket`, or a folder that adhere pocket train made; not {model}"
        )
    return folder


def _claim(folder: Path, model: str, size: str) -> None:
    from adhere.core.errors import UserError

    path = folder / "study.json"
    record = {"model": model, "size": size}
    if path.is_file():
        saved = json.loads(path.read_text(encoding="utf-8"))
        if saved != record:
            raise UserError(f"{folder} holds a study of {saved}; give another --out")
        return
    folder.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(record) + "\n")

"""Sharded scoring: the verdicts and rates of one process, wherever the shards ran and however often they died."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from adhere.core.errors import UserError
from adhere.engines import Engine, engine_of
from adhere.measure.adherence import scoring
from adhere.measure.adherence.sharded import plan as planning
from adhere.measure.adherence.sharded.plan import plan
from adhere.measure.adherence.sharded.run import ShardedRun, score_sharded
from adhere.measure.adherence.summary import findings, session_findings

parquet = pytest.importorskip("pyarrow.parquet")


def rows(n: int, models: int = 2, epochs: int = 1) -> Iterator[dict[str, Any]]:
    rng = random.Random(11)
    for m in range(models):
        for k in range(n):
            for epoch in range(1, epochs + 1):
                words = " ".join(rng.choice(("sea", "boat", "wind", "sun")) for _ in range(rng.randint(3, 9)))
                yield {
                    "key": f"p{k}",
                    "model": f"maker/model {m}",
                    "prompt": f"Write about {k}.",
                    "response": None if rng.random() < 0.02 else words,
                    "epoch": epoch,
                    "constraints": [
                        {"kind": "length.words", "at_most": 6},
                        {"kind": "excludes.terms", "terms": ["sun"]},
                    ][: 1 + k % 2],
                }


def jsonl(path: Path, lines: Sequence[dict[str, Any]]) -> Path:
    text = "".join(json.dumps(line) + "\n" for line in lines)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def as_parquet(path: Path, lines: Sequence[dict[str, Any]], group: int = 60) -> Path:
    import pyarrow as pa

    table = pa.Table.from_pylist([{**line, "constraints": json.dumps(line["constraints"])} for line in lines])
    parquet.write_table(table, path, row_group_size=group)
    return path


def sharded(files: Sequence[Path | str], out: Path | str, engine: Engine | None = None, **options: Any) -> ShardedRun:
    with engine or engine_of("local", jobs=1) as entered:
        return score_sharded(files, out, entered, **options)


def shas(records: Iterator[dict[str, Any]]) -> list[str]:
    """Of every record without the digest of the file before it, sorted by key."""
    kept = []
    for record in records:
        record.pop("digest")
        key = record["model"], record["set"], record["prompt_id"], record["epoch"]
        kept.append((key, hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()))
    return [sha for _, sha in sorted(kept)]


def written(out: Path) -> Iterator[dict[str, Any]]:
    for file in sorted((out / "verdicts").rglob("*.parquet")):
        for text in parquet.ParquetFile(file).read(columns=["record"]).column("record").to_pylist():
            yield json.loads(text)


def whole(run: scoring.ScoreRun) -> list[dict[str, Any]]:
    """The findings of a run in one process."""
    return _sorted([*findings(run.tally, run.profiles), *session_findings(run.sessions, run.profiles)])


def merged(run: ShardedRun) -> list[dict[str, Any]]:
    return _sorted([*findings(run.counts, run.profiles), *session_findings(run.counts.sessions(), run.profiles)])


def _sorted(found: Sequence[Any]) -> list[dict[str, Any]]:
    return sorted((one.model_dump(mode="json") for one in found), key=lambda one: json.dumps(one, sort_keys=True))


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shards of a few rows."""
    cut = planning._cuts
    monkeypatch.setattr(planning, "_cuts", lambda place, *_: cut(place, 6_000, 100))


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("epochs", [1, 3])
@pytest.mark.parametrize("form", ["jsonl", "gz", "parquet"])
def test_verdicts_and_findings_are_those_of_one_process(tmp_path: Path, form: str, epochs: int) -> None:
    lines = list(rows(120, epochs=epochs))
    name = tmp_path / {"jsonl": "a.jsonl", "gz": "a.jsonl.gz", "parquet": "a.parquet"}[form]
    as_parquet(name, lines) if form == "parquet" else jsonl(name, lines)
    assert len(plan([str(name)])) > (1 if form != "gz" else 0)
    reference = scoring.score([name], keep=True)
    run = sharded([name], tmp_path / "out")
    assert shas(written(tmp_path / "out")) == shas(json.loads(record.to_line()) for record in reference.records())
    assert merged(run) == whole(reference)
    assert run.responses == reference.responses


@pytest.mark.usefixtures("small")
def test_line_numbers_are_those_of_the_whole_file(tmp_path: Path) -> None:
    lines = list(rows(200, models=1))
    name = jsonl(tmp_path / "a.jsonl", lines)
    with name.open("a") as file:
        file.write('{"key": "bad", "response":\n')
    with pytest.raises(UserError, match=r"a\.jsonl:201: "):
        sharded([name], tmp_path / "out")
    run = sharded([name], tmp_path / "out2", skip_bad=True)
    assert run.bad_count == 1
    assert merged(run) == whole(scoring.score([name], skip_bad=True))
    assert (tmp_path / "out2" / "bad").is_dir()


@pytest.mark.usefixtures("small")
def test_a_duplicate_in_another_shard_is_found_and_counts_once(tmp_path: Path) -> None:
    lines = list(rows(150, models=1))
    name = jsonl(tmp_path / "a.jsonl", [*lines, lines[0]])
    with pytest.raises(UserError, match=r"a\.jsonl:151: duplicate key: p0 .* on line 1 already"):
        sharded([name], tmp_path / "out")
    run = sharded([name], tmp_path / "out", skip_bad=True, resume=False)
    assert run.responses == 150
    assert merged(run) == whole(scoring.score([jsonl(tmp_path / "b.jsonl", lines)]))


@pytest.mark.usefixtures("small")
def test_prompts_without_a_response_stay_in_the_denominator(tmp_path: Path) -> None:
    lines = list(rows(150, models=2))
    prompts = jsonl(tmp_path / "prompts.jsonl", [
        {"key": line["key"], "prompt": line["prompt"], "constraints": line["constraints"]} for line in lines[:150]
    ])  # fmt: skip
    answers = [{key: line[key] for key in ("key", "model", "response")} for line in lines if line["key"] != "p7"]
    name = jsonl(tmp_path / "a.jsonl", answers)
    run = sharded([name], tmp_path / "out", prompts=prompts)
    assert merged(run) == whole(scoring.score([name], prompts=prompts))
    subject = run.counts.subjects()[0]
    assert run.counts.unanswered(subject)["absent"] == 1


@pytest.mark.usefixtures("small")
def test_conversations_are_merged(tmp_path: Path) -> None:
    talks = [
        {
            "id": f"s{k}",
            "model": "m",
            "messages": [
                {"role": "system", "content": "Never use the word sun."},
                {"role": "user", "content": "Hello."},
                {"role": "assistant", "content": "The sun." if k % 3 else "The sea."},
                {"role": "user", "content": "And now?"},
                {"role": "assistant", "content": "The wind."},
            ],
            "constraints": [{"kind": "excludes.terms", "terms": ["sun"]}],
        }
        for k in range(90)
    ]
    name = jsonl(tmp_path / "a.jsonl", talks)
    run, reference = sharded([name], tmp_path / "out"), scoring.score([name])
    assert merged(run) == whole(reference)


@pytest.mark.usefixtures("small")
def test_a_rerun_takes_over_finished_shards_and_another_plan_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = jsonl(tmp_path / "a.jsonl", list(rows(200)))
    first = sharded([name], tmp_path / "out")
    done = sorted((tmp_path / "out" / "_work" / "done").iterdir())
    done[0].unlink()
    again = sharded([name], tmp_path / "out")
    assert again.resumed == first.shards - 1
    assert merged(again) == merged(first)
    with pytest.raises(UserError, match="--no-resume replaces it"):
        sharded([name], tmp_path / "out", profiles=("fixed",))
    replaced = sharded([name], tmp_path / "out", profiles=("fixed",), resume=False)
    assert replaced.resumed == 0
    assert len(shas(written(tmp_path / "out"))) == 400


class Dying:
    """A worker that is killed in the middle of each shard, once."""

    def __init__(self, marks: Path) -> None:
        self.marks = marks

    def __call__(self, task: Any) -> Any:
        mark = self.marks / str(task)
        if not mark.exists():
            mark.touch()
            os.kill(os.getpid(), 9)
        return task * 2


def test_a_killed_worker_process_is_replaced(tmp_path: Path) -> None:
    with engine_of("local", jobs=2) as engine:
        assert dict(engine.map(Dying(tmp_path), [1, 2])) == {0: 2, 1: 4}


def test_standard_input_and_an_unknown_store_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="standard input cannot be cut"):
        sharded(["-"], tmp_path / "out")
    with pytest.raises(UserError, match="ftp://"):
        sharded(["ftp://host/a.jsonl"], tmp_path / "out")
    with pytest.raises(UserError, match="no such files"):
        sharded([str(tmp_path / "part-*.parquet")], tmp_path / "out")


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """A server that speaks S3, with a bucket."""
    moto = pytest.importorskip("moto.server", reason="moto[s3,server] is not installed")
    boto3 = pytest.importorskip("boto3")
    server = moto.ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    names = {"AWS_ENDPOINT_URL": endpoint, "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(names)
    boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1").create_bucket(Bucket="answers")
    yield endpoint
    server.stop()
    for name, value in before.items():
        os.environ.pop(name) if value is None else os.environ.__setitem__(name, value)


def test_from_and_to_an_object_store(tmp_path: Path, s3: str) -> None:
    import boto3

    lines = list(rows(150))
    client = boto3.client("s3", endpoint_url=s3, region_name="us-east-1")
    for part, chunk in enumerate((lines[:150], lines[150:])):
        file = as_parquet(tmp_path / f"part-{part}.parquet", chunk)
        client.upload_file(str(file), "answers", f"in/part-{part}.parquet")
    client.upload_file(str(jsonl(tmp_path / "other.jsonl.gz", lines[:5])), "answers", "in/other.jsonl.gz")
    run = sharded(["s3://answers/in/part-*.parquet"], "s3://answers/out")
    reference = scoring.score([jsonl(tmp_path / "all.jsonl", lines)])
    names = ("what", "estimate", "interval", "n")
    assert [[one[name] for name in names] for one in merged(run)] == [
        [one[n] for n in names] for one in whole(reference)
    ]
    listed = [one["Key"] for one in client.list_objects_v2(Bucket="answers", Prefix="out/verdicts")["Contents"]]
    assert any("model=maker%2Fmodel%200" in key for key in listed)
    assert sharded(["s3://answers/in/part-*.parquet"], "s3://answers/out").resumed == run.shards
    assert sharded(["s3://answers/in/other.jsonl.gz"], "s3://answers/other").responses == 5


@pytest.fixture(scope="module")
def ray_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Ray's own home, so that it leaves nothing in the user's."""
    pytest.importorskip("ray", reason="ray is not installed")
    home, before = tmp_path_factory.mktemp("home"), os.environ.get("HOME")
    os.environ["HOME"] = str(home)
    yield
    os.environ["HOME"] = before or ""


@pytest.mark.slow
@pytest.mark.usefixtures("small", "ray_home")
def test_ray_gives_the_same_verdicts_and_replaces_killed_workers(tmp_path: Path) -> None:
    name = jsonl(tmp_path / "a.jsonl", list(rows(200)))
    with engine_of("ray", jobs=2) as engine:
        run = score_sharded([name], tmp_path / "out", engine)
        assert dict(engine.map(Dying(tmp_path), [1, 2])) == {0: 2, 1: 4}
        with pytest.raises(UserError, match="of this kind"):
            list(engine.map(_refuse, [1]))
    local = sharded([name], tmp_path / "local")
    assert merged(run) == merged(local) == whole(scoring.score([name]))
    assert shas(written(tmp_path / "out")) == shas(written(tmp_path / "local"))


def _refuse(task: Any) -> Any:
    raise UserError("nothing of this kind")

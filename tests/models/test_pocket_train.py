"""The recipe on a model small enough for seconds: it learns, it survives a kill, others can load what it writes."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from adhere.core.errors import UserError  # noqa: E402
from adhere.models.pocket.training import data, evaluate, export, optimiser, tokenizer  # noqa: E402
from adhere.models.pocket.training.recipe import SIZES, Line, Recipe, of_size  # noqa: E402
from adhere.models.pocket.training.seeds import run_seeds  # noqa: E402
from adhere.models.pocket.training.shape import build  # noqa: E402
from adhere.models.pocket.training.train import spread, train  # noqa: E402
from adhere.models.pocket.world import world  # noqa: E402

TINY = Recipe(
    width=32,
    layers=2,
    heads=2,
    hidden=64,
    vocab=512,
    tokens=60_000,
    accumulate=1,
    ramp=30_000,
    shard_tokens=10_000,
    tokenizer_texts=300,
    warmup=5_000,
    compile=False,
    log_steps=1,
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Line]]:
    out = tmp_path_factory.mktemp("run")
    lines: list[Line] = []
    train(TINY, out, tell=lines.append)
    return out, lines


@pytest.fixture(scope="module")
def tokens(run: tuple[Path, list[Line]]) -> transformers.PreTrainedTokenizerFast:
    return tokenizer.load(run[0] / "tokenizer")


def weights(folder: Path) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    return load_file(folder / "model.safetensors")


@pytest.mark.slow
def test_the_loss_falls_and_the_budget_is_kept(run: tuple[Path, list[Line]]) -> None:
    _, lines = run
    assert lines[0].loss > 4
    assert lines[-1].loss < lines[0].loss - 1
    assert lines[-1].scale < 0.3 < max(line.scale for line in lines)
    assert lines[-1].tokens <= TINY.tokens + TINY.micro


@pytest.mark.slow
def test_a_killed_run_goes_on_to_the_same_weights(run: tuple[Path, list[Line]], tmp_path: Path) -> None:
    class Killed(Exception):
        pass

    def kill(line: Line) -> None:
        if line.tokens > 35_000:
            raise Killed

    hurried = replace(TINY, save_minutes=0.01)  # a checkpoint every few steps
    with pytest.raises(Killed):
        train(hurried, tmp_path, tell=kill)
    train(hurried, tmp_path)
    undisturbed, resumed = weights(run[0] / "instruct"), weights(tmp_path / "instruct")
    assert undisturbed.keys() == resumed.keys()
    for name, tensor in undisturbed.items():
        assert torch.equal(tensor, resumed[name]), name
    steps = [json.loads(line)["step"] for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert steps == sorted(set(steps))


@pytest.mark.slow
def test_another_recipe_does_not_go_on_with_a_run(run: tuple[Path, list[Line]]) -> None:
    with pytest.raises(UserError, match="width"):
        train(replace(TINY, width=64), run[0])


def test_a_run_without_a_budget_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="budget"):
        train(replace(TINY, tokens=0), tmp_path)


@pytest.mark.slow
def test_a_decay_file_ends_the_run_early(tmp_path: Path) -> None:
    def ask(line: Line) -> None:
        if line.tokens > 10_000:
            (tmp_path / "decay").touch()

    lines: list[Line] = []
    train(TINY, tmp_path, tell=lambda line: (lines.append(line), ask(line))[0])
    assert lines[-1].tokens < 0.6 * TINY.tokens
    assert lines[-1].scale < 0.5


@pytest.mark.slow
def test_base_and_instruct_differ_in_what_they_read_alone(run: tuple[Path, list[Line]], tmp_path: Path) -> None:
    lines: list[Line] = []
    folder = train(replace(TINY, stage="base", tokens=10_000), tmp_path, tell=lines.append)
    assert {family for line in lines for family in line.families} == {"text"}
    instruct = run[0] / "instruct"
    for name in ("config.json", "tokenizer.json", "chat_template.jinja"):
        assert (folder / name).read_text() == (instruct / name).read_text()


def test_an_unknown_stage_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="stage"):
        train(replace(TINY, stage="tuned"), tmp_path)


@pytest.mark.slow
def test_others_load_it_plainly(run: tuple[Path, list[Line]]) -> None:
    folder = run[0] / "instruct"
    model = transformers.AutoModelForCausalLM.from_pretrained(folder)
    found = transformers.AutoTokenizer.from_pretrained(folder)
    assert model.dtype == torch.float32
    assert model.generation_config.eos_token_id == found.eos_token_id == found.get_vocab()[tokenizer.END]
    assert len(found) <= model.config.vocab_size
    about = json.loads((folder / "training.json").read_text())
    assert about["seed"] == TINY.seed
    assert about["versions"]["torch"]
    assert about["revision"] == export.revision()


def test_the_chat_template_is_what_was_trained_on(tokens: transformers.PreTrainedTokenizerFast) -> None:
    writer = data.Writer(tokens.backend_tokenizer)
    for dialogue in islice(world.dialogues(3, "train"), 50):
        item = writer.dialogue(dialogue)
        told = tokens.apply_chat_template(
            [{"role": m.role, "content": m.content} for m in dialogue.messages],
            return_dict=True,
            return_assistant_tokens_mask=True,
        )
        assert told["input_ids"] == item.ids
        assert told["assistant_masks"] == [int(part == data.ANSWER) for part in item.parts]


def test_a_prompt_ends_where_the_answer_begins(tokens: transformers.PreTrainedTokenizerFast) -> None:
    prompt = tokens.apply_chat_template(
        [{"role": "user", "content": "Hello."}], tokenize=False, add_generation_prompt=True
    )
    assert prompt == "<|user|>Hello.<|end|><|assistant|>"


@pytest.mark.parametrize("text", ["12 + 345", "añ😀\n\n  x", "def f(x):\n    return x", " a  b ", "<|pad|> 9"])
def test_any_text_comes_back_and_digits_stand_alone(tokens: transformers.PreTrainedTokenizerFast, text: str) -> None:
    ids = tokens(text, add_special_tokens=False)["input_ids"]
    assert tokens.decode(ids) == text
    for piece in map(tokens.decode, ids):
        assert not any(c.isdigit() for c in piece) or len(piece.strip()) == 1


def test_a_shard_is_the_same_each_time_and_no_row_is_lost(
    tokens: transformers.PreTrainedTokenizerFast,
) -> None:
    source = data.Source("instruct", seed=5, ramp=100_000, shard_tokens=8_000)
    once, again = (data.shard(source, tokens.backend_tokenizer, 2) for _ in range(2))
    other = data.shard(source, tokens.backend_tokenizer, 3)
    assert all((a.ids == b.ids).all() and (a.parts == b.parts).all() for a, b in zip(once, again, strict=True))
    assert not any(a.ids.shape == b.ids.shape and (a.ids == b.ids).all() for a in once for b in other)
    rows = sorted(tuple(row[part > 0].tolist()) for b in once for row, part in zip(b.ids, b.parts, strict=True))
    items = []
    for item in data.samples(source, tokens.backend_tokenizer, 2):
        items.append(tuple(item.ids))
        if sum(map(len, items)) >= source.shard_tokens:
            break
    assert rows == sorted(items)
    assert all(b.ids.size <= source.micro for b in once)


def test_orthogonalising_brings_singular_values_near_one() -> None:
    torch.manual_seed(0)
    for shape in ((2, 24, 64), (2, 64, 24)):
        values = torch.linalg.svdvals(optimiser.orthogonalise(torch.randn(shape)))
        assert values.min() > 0.4
        assert values.max() < 1.4


@pytest.mark.slow
def test_rounding_the_weights_hardly_moves_the_loss(run: tuple[Path, list[Line]]) -> None:
    """What is exported in bfloat16 predicts what the average in float32 predicted."""
    exact = torch.load(run[0] / "state.pt", weights_only=True)["average"]
    model, tokens = evaluate.load(run[0] / "instruct")
    batch = data.shard(data.Source("instruct", 9, shard_tokens=3_000), tokens.backend_tokenizer, 0)[0]
    ids = torch.from_numpy(batch.ids)

    def loss() -> float:
        with torch.inference_mode():
            return float(model(input_ids=ids, labels=ids).loss)

    rounded = loss()
    model.load_state_dict(exact, strict=False)
    assert math.isclose(rounded, loss(), rel_tol=0.01)


def test_wilson_interval_of_a_known_case() -> None:
    low, high = evaluate.Share(8, 10).interval
    assert (round(low, 3), round(high, 3)) == (0.490, 0.943)  # Newcombe 1998, method 3


def test_known_good_answers_score_full_marks_and_spoilt_ones_do_not() -> None:
    dialogues = evaluate.held_out(seed=4, each=6)
    good = [evaluate.Answer(d.messages[-1].content, 1, True) for d in dialogues]
    for share in evaluate.score(dialogues, good).shares.values():
        assert share.met == share.n > 0
    spoilt = [evaluate.Answer("You idiot", 1, False) for _ in dialogues]
    shares = evaluate.score(dialogues, spoilt).shares
    assert shares["ended"].met == shares["family.math"].met == shares["family.multihop"].met == 0
    assert shares["family.code"].met == shares["family.copy"].met == shares["family.drill"].met == 0


@pytest.mark.slow
def test_the_report_names_known_findings_only(run: tuple[Path, list[Line]]) -> None:
    found = evaluate.report(evaluate.evaluate(run[0] / "instruct", seed=4, each=2), "tiny", "again")
    assert {f.what for f in found} >= {"pocket.math", "pocket.ended", "adherence.prompt.strict"}
    assert all(f.interval and f.interval[0] <= f.estimate <= f.interval[1] for f in found if f.estimate is not None)


def test_a_run_on_other_data_is_refused(run: tuple[Path, list[Line]], tmp_path: Path) -> None:
    import shutil

    shutil.copytree(run[0], tmp_path / "run")
    (tmp_path / "run" / "data.sha256").write_text("0" * 64)
    with pytest.raises(UserError, match="other data"):
        train(TINY, tmp_path / "run")


def test_a_run_begun_before_a_field_existed_goes_on_and_half_a_log_line_does_not_stop_it(
    run: tuple[Path, list[Line]], tmp_path: Path
) -> None:
    import shutil

    folder = tmp_path / "run"
    shutil.copytree(run[0], folder)
    saved = json.loads((folder / "recipe.json").read_text())
    del saved["precision"]
    (folder / "recipe.json").write_text(json.dumps(saved))
    with (folder / "log.jsonl").open("a") as log:
        log.write('{"step": 9')
    assert train(TINY, folder) == folder / "instruct"
    assert all(json.loads(line)["step"] for line in (folder / "log.jsonl").read_text().splitlines())


def test_a_run_killed_before_its_first_save_begins_anew(run: tuple[Path, list[Line]], tmp_path: Path) -> None:
    import shutil

    shutil.copytree(run[0], tmp_path / "run")
    (tmp_path / "run" / "state.pt").unlink()
    with (tmp_path / "run" / "log.jsonl").open("a") as log:
        log.write('{"step": 9')
    folder = train(replace(TINY, tokens=8_000), tmp_path / "run")
    steps = [json.loads(line)["step"] for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert steps == list(range(1, len(steps) + 1))
    assert json.loads((folder / "training.json").read_text())["steps"] == len(steps)


def test_sizes_have_the_parameters_they_claim(tokens: transformers.PreTrainedTokenizerFast) -> None:
    def millions(size: str) -> float:
        with torch.device("meta"):
            model = build(of_size(size), tokens)
        return sum(p.numel() for p in model.parameters()) / 1e6

    assert millions("small") < 1 < millions("standard") < 3
    assert 20 <= millions("large") <= 60
    with pytest.raises(UserError, match="'huge'"):
        of_size("huge")
    assert set(SIZES) == {"small", "standard", "large"}


def test_an_unknown_precision_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="precision"):
        train(replace(TINY, precision="float8"), tmp_path)


def test_seeds_are_trained_once_each_and_differ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(
        SIZES, "tiny", {k: v for k, v in asdict(TINY).items() if k not in ("seed", "tokens", "ramp", "keep", "compile")}
    )

    def run_all() -> list[Path]:
        return run_seeds(tmp_path, 2, size="tiny", tokens=15_000, checkpoints=3, compile_layers=False)

    first, second = folders = run_all()
    assert len(list((tmp_path / "seed-0" / "checkpoints").iterdir())) == 3
    tensors, others = weights(first), weights(second)
    assert any(tensors[name].shape != others[name].shape or (tensors[name] != others[name]).any() for name in tensors)
    times = [(folder / "model.safetensors").stat().st_mtime_ns for folder in folders]
    assert run_all() == folders
    assert [(folder / "model.safetensors").stat().st_mtime_ns for folder in folders] == times


@pytest.mark.slow
def test_two_processes_share_steps_and_save_together(tmp_path: Path) -> None:
    often = replace(TINY, tokens=30_000, save_minutes=0.02)
    folder = spread(often, tmp_path, device="cpu", until=None, processes=2, tell=lambda _: None)
    assert json.loads((folder / "training.json").read_text())["tokens"] >= 30_000
    with pytest.raises(UserError, match="trained by 2 processes"):
        train(often, tmp_path)

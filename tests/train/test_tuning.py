"""Runs with the real TRL: they train, go on after a kill, and stop with a line where they cannot go on."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from adhere.constraints import Include, Words
from adhere.core.errors import UserError
from adhere.models import pocket
from adhere.train.reward import BrokenCheckError, Reward
from adhere.train.rows import PromptRow
from adhere.train.tuning import TuningPlan, dpo_columns, sft_columns, tune

pytest.importorskip("trl")

MESSAGES = [{"role": "user", "content": 'Say something about the apple. Include the word "tree".'}]
SFT = [sft_columns(MESSAGES, "The red apple is in the tree.")] * 4
DPO = [dpo_columns(MESSAGES, "The red apple is in the tree.", "The sea is blue.")] * 4
GRPO = [PromptRow("one", tuple(MESSAGES), (Include(terms=("apple",)),)).columns()] * 4


def plan(method: Any, **changes: Any) -> TuningPlan:
    settings: dict[str, Any] = {"steps": 2, "batch": 4, "learning_rate": 1e-3, "generations": 4, "max_tokens": 12}
    return TuningPlan(method, str(pocket.path()), **{**settings, **changes})


def log_of(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


@pytest.mark.parametrize(("method", "rows"), [("sft", SFT), ("dpo", DPO)])
def test_a_run_changes_the_weights_and_gives_a_model_that_opens(method: str, rows: Any, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    folder = tune(plan(method, steps=3), rows, tmp_path)
    before, after = (load_file(path / "model.safetensors") for path in (pocket.path(), folder))
    assert any(not tensor.equal(before[name]) for name, tensor in after.items() if name in before)
    assert (folder / "tokenizer.json").is_file()
    assert sorted({line["step"] for line in log_of(tmp_path)}) == [1, 2, 3]


def test_grpo_is_paid_by_the_constraints_of_each_row_and_logs_the_parts(tmp_path: Path) -> None:
    tune(plan("grpo"), GRPO, tmp_path, reward=Reward())
    line = log_of(tmp_path)[0]
    assert 0 <= line["adhere/met/contains.terms"] <= 1
    assert line["reward"] == pytest.approx(line["adhere/met/contains.terms"])
    assert "adhere/guard/loop" in line


def test_lora_is_merged_into_the_final_model_and_kept_beside_it(tmp_path: Path) -> None:
    folder = tune(plan("sft", lora=2, steps=1), SFT, tmp_path)
    assert (tmp_path / "adapter" / "adapter_model.safetensors").is_file()
    assert not (folder / "adapter_config.json").exists()


def test_a_check_that_breaks_stops_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Include, "check", lambda *_: 1 / 0)
    with pytest.raises(BrokenCheckError, match=r"contains\.terms"):
        tune(plan("grpo"), GRPO, tmp_path, reward=Reward())


def test_a_reward_that_never_varies_is_said_at_step_5(tmp_path: Path) -> None:
    lines: list[str] = []
    tune(plan("grpo", steps=6, max_tokens=2), GRPO, tmp_path, reward=Reward((Words(at_least=99),)), notice=lines.append)
    assert len(lines) == 1
    assert lines[0].startswith("step 5: ")


def test_a_loss_that_is_no_number_stops_with_a_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"step \d: (loss|grad_norm) is (nan|inf)"):
        tune(plan("sft", learning_rate=1e30, steps=4), SFT, tmp_path)
    assert not (tmp_path / "model").exists()


def test_out_of_memory_halves_the_rows_and_keeps_the_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch
    from trl import SFTTrainer

    step = SFTTrainer.training_step
    sizes: list[int] = []

    def narrow(self: Any, model: Any, inputs: Any, *rest: Any) -> Any:
        sizes.append(len(inputs["input_ids"]))
        if sizes[-1] > 2:
            raise torch.OutOfMemoryError("no room")
        return step(self, model, inputs, *rest)

    monkeypatch.setattr(SFTTrainer, "training_step", narrow)
    lines: list[str] = []
    tune(plan("sft"), SFT, tmp_path, notice=lines.append)
    assert sizes == [4, 2, 2, 2, 2]
    assert lines == ["out of memory: going on with 2 rows at once, 2 times a step"]


def test_a_full_disk_loses_no_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from transformers import PreTrainedModel

    save = PreTrainedModel.save_pretrained

    def full(self: Any, folder: Any, *rest: Any, **options: Any) -> None:
        if Path(folder).name == "checkpoint-2":
            Path(folder).mkdir(exist_ok=True)
            (Path(folder) / "model.safetensors").write_bytes(b"half")
            raise OSError(errno.ENOSPC, "No space left on device")
        save(self, folder, *rest, **options)

    monkeypatch.setattr(PreTrainedModel, "save_pretrained", full)
    with pytest.raises(UserError, match="last whole checkpoint is checkpoint-1"):
        tune(plan("sft", save_steps=1, steps=3), SFT, tmp_path)
    monkeypatch.undo()
    tune(plan("sft", save_steps=1, steps=3), SFT, tmp_path)
    assert [line["step"] for line in log_of(tmp_path) if "loss" in line] == [1, 2, 2, 3]


def test_a_folder_with_another_run_is_refused_and_the_same_one_is_done(tmp_path: Path) -> None:
    tune(plan("sft", steps=1), SFT, tmp_path)
    modified = (tmp_path / "model" / "model.safetensors").stat().st_mtime_ns
    tune(plan("sft", steps=1), SFT, tmp_path)
    assert (tmp_path / "model" / "model.safetensors").stat().st_mtime_ns == modified
    with pytest.raises(UserError, match="another learning_rate"):
        tune(plan("sft", steps=1, learning_rate=1e-4), SFT, tmp_path)
    with pytest.raises(UserError, match="another data"):
        tune(plan("sft", steps=1), SFT[:3], tmp_path)


CHILD = """
import sys
from pathlib import Path
from tests.train.test_tuning import SFT, plan
from adhere.train.tuning import tune
tune(plan("sft", steps=400, save_steps=2), SFT, Path(sys.argv[1]))
"""


def test_a_run_that_was_killed_goes_on_from_its_last_whole_checkpoint(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": f"{root / 'src'}:{root}", "OMP_NUM_THREADS": "1"}
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(tmp_path)], env=environment, stderr=subprocess.DEVNULL)
    try:
        while not list(tmp_path.glob("checkpoint-*/whole")):
            assert child.poll() is None
            time.sleep(0.05)
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
    (tmp_path / "checkpoint-999").mkdir()  # one that the kill cut off

    saved = json.loads((tmp_path / "plan.json").read_text())
    last = max(int(path.parent.name.rpartition("-")[2]) for path in tmp_path.glob("checkpoint-*/whole"))
    saved["steps"] = last + 1
    (tmp_path / "plan.json").write_text(json.dumps(saved))
    before = len(log_of(tmp_path))
    tune(plan("sft", steps=last + 1, save_steps=2), SFT, tmp_path)
    assert [line["step"] for line in log_of(tmp_path)[before:] if "loss" in line] == [last + 1]
    assert not (tmp_path / "checkpoint-999").exists()

"""Training: what it learns, that it can be interrupted and resumed to the bit, and that it knows when to stop."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
import torch

from adhere.core.errors import UserError
from adhere.modular.history import SPAN, History, Record, settled
from adhere.modular.network import Architecture
from adhere.modular.run_spec import Job, Recipe
from adhere.modular.task import Task
from adhere.modular.train import STATE, train


def _job(steps: int, *, rate: float = 0.0, seed: int = 0, half: bool = False) -> Job:
    return Job(Task(13), Architecture("transformer", 13, rate, 32, 4), Recipe(seed=seed, steps=steps, half=half))


def _weights(job: Job, folder: Path | None = None) -> torch.Tensor:
    (done,) = train([job], [folder])
    return torch.cat([tensor.flatten() for tensor in done.network.weights.values()])


def test_training_generalises_to_pairs_it_never_saw() -> None:
    # The p = 23 table, 600 steps: nearly all held-out pairs right, where chance is 1 in 23.
    job = Job(Task(23), Architecture("transformer", 23, 0.0, 64, 4), Recipe(steps=600))
    (done,) = train([job], [None])
    first, last = done.history.records[0], done.history.records[-1]
    assert first.held_out_accuracy < 0.15
    assert last.train_accuracy == 1.0
    assert last.held_out_accuracy > 0.9


def test_the_first_step_follows_the_released_optimiser() -> None:
    """Three steps by hand: AdamW with warm-up from zero, on autograd of the paper's computation."""
    job = _job(3, rate=0.7)
    weights = {name: w.clone().requires_grad_() for name, w in job.weights().items()}
    optimiser = torch.optim.AdamW(weights.values(), lr=1e-3, weight_decay=2.0, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: min(step / 10, 1))
    pairs, labels, mask = torch.from_numpy(job.task.pairs()), job.labels(), job.train()
    for _ in range(3):
        from adhere.modular.transformer import logits

        table = weights["embed.W_E"].T
        scores = torch.log_softmax(logits(weights, 0.7, table[pairs], 1, "relu").double(), dim=-1)
        loss = -scores.gather(1, labels[:, None])[mask].mean()
        loss.backward()
        optimiser.step()
        schedule.step()
        optimiser.zero_grad()
    (done,) = train([job], [None])
    for name, wanted in weights.items():
        torch.testing.assert_close(done.network.weights[name], wanted.detach(), atol=1e-6, rtol=1e-5)


def test_the_same_job_gives_the_same_network_and_another_seed_another() -> None:
    assert torch.equal(_weights(_job(25)), _weights(_job(25)))
    assert not torch.equal(_weights(_job(25)), _weights(_job(25, seed=1)))


def test_an_interrupted_training_ends_with_the_very_same_network(tmp_path: Path) -> None:
    job = _job(60, rate=0.5)
    whole = _weights(job)

    def interrupt(_: Job, record: Record) -> None:
        if record.step == 30:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        train([job], [tmp_path], watch=interrupt)
    assert (tmp_path / STATE).is_file()
    (resumed,) = train([job], [tmp_path])
    assert torch.equal(torch.cat([tensor.flatten() for tensor in resumed.network.weights.values()]), whole)
    assert [record.step for record in resumed.history.records] == [0, 10, 20, 30, 40, 50, 60]


def test_the_state_of_another_job_is_refused_and_not_overwritten(tmp_path: Path) -> None:
    def interrupt(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        train([_job(60)], [tmp_path], watch=interrupt)
    before = (tmp_path / STATE).read_bytes()
    with pytest.raises(UserError, match="other settings"):
        train([_job(61)], [tmp_path])
    assert (tmp_path / STATE).read_bytes() == before


def test_a_damaged_state_is_a_users_error(tmp_path: Path) -> None:
    (tmp_path / STATE).write_bytes(b"not a state")
    with pytest.raises(UserError, match="cannot be read"):
        train([_job(10)], [tmp_path])


def test_seeds_trained_as_one_program_learn_what_they_learn_alone() -> None:
    jobs = [_job(40, rate=rate, seed=seed) for seed, rate in enumerate((0.0, 0.5, 1.0))]
    together = train(jobs, [None] * 3, stacked=True)
    for job, done in zip(jobs, together, strict=True):
        (alone,) = train([job], [None])
        for name, wanted in alone.network.weights.items():
            torch.testing.assert_close(done.network.weights[name], wanted, atol=2e-4, rtol=1e-3)
        last, wanted_last = done.history.records[-1], alone.history.records[-1]
        assert last.train_loss == pytest.approx(wanted_last.train_loss, rel=1e-3)


def test_curves_in_bfloat16_follow_those_in_float32() -> None:
    (full,), (half,) = train([_job(150)], [None]), train([_job(150, half=True)], [None])
    ours = [record.train_loss for record in half.history.records]
    theirs = [record.train_loss for record in full.history.records]
    assert ours != theirs
    assert ours == pytest.approx(theirs, rel=0.15, abs=0.02)


def _measured(step: int, symmetricity: float = 0.99, accuracy: float = 1.0) -> Record:
    return Record(step, 0.0, 0.0, 1.0, accuracy, True, symmetricity, 0.2, 0.99)


def test_settled_needs_a_whole_span_of_steady_metrics_and_perfect_accuracy() -> None:
    steps = range(0, SPAN + 200, 200)
    steady = [_measured(step) for step in steps]
    assert settled(steady)
    assert not settled(steady[:-1]), "too short"
    assert not settled([*steady[:-1], _measured(SPAN, symmetricity=0.9)]), "still moving"
    assert not settled([_measured(0, accuracy=0.99), *steady[1:]]), "not yet perfect"
    assert History(tuple(steady)).settled_at == SPAN
    early = _measured(0, symmetricity=0.5)
    assert settled([early, *(_measured(step) for step in range(200, SPAN + 400, 200))]), "what moved is out of the span"


@pytest.mark.parametrize("recipe", [{"steps": 0}, {"share": 1.0}, {"weight_decay": -1.0}, {"learning_rate": 0.0}])
def test_a_recipe_that_cannot_train_is_refused(recipe: dict[str, float]) -> None:
    with pytest.raises(UserError):
        Recipe(**recipe)  # type: ignore[arg-type]


@pytest.mark.parametrize("rate", [-0.1, 1.1, float("nan")])
def test_an_attention_rate_outside_its_range_is_refused(rate: float) -> None:
    with pytest.raises(UserError, match="alpha"):
        Architecture(rate=rate)

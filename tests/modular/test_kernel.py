"""The table form and the fused pass must be the paper's computation, to the last digits, in value and gradient."""

from __future__ import annotations

import pytest
import torch

from adhere.modular.kernel import Fused, negative_log_likelihood, plain_logits
from adhere.modular.network import KINDS, Architecture, Network
from adhere.modular.program import Single, Stacked
from adhere.modular.run_spec import Job, Recipe
from adhere.modular.task import Task

MAKES = [("transformer", rate) for rate in (0.0, 0.4, 1.0)] + [(kind, 0.0) for kind in KINDS[1:]]


def _job(kind: str, rate: float, seed: int = 0, *, half: bool = False) -> Job:
    return Job(Task(11), Architecture(kind, 11, rate, 24, 4), Recipe(seed=seed, half=half))  # type: ignore[arg-type]


def _weights(job: Job) -> dict[str, torch.Tensor]:
    """Initial weights with biases away from zero, so that a forgotten bias shows."""
    generator = torch.Generator().manual_seed(5)
    return {
        name: w if w.ndim > 1 else 0.3 * torch.randn(w.shape, generator=generator) for name, w in job.weights().items()
    }


@pytest.mark.parametrize(("kind", "rate"), MAKES)
def test_the_table_form_gives_the_logits_of_the_papers_computation(kind: str, rate: float) -> None:
    job = _job(kind, rate)
    weights = _weights(job)
    direct = Network(job.architecture, weights, job.task).all_logits()
    torch.testing.assert_close(plain_logits(job.architecture.tables(weights)), direct, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("rows", [1, 4, 11])
@pytest.mark.parametrize(("kind", "rate"), MAKES)
def test_the_fused_gradient_is_autograds_of_the_papers_computation(kind: str, rate: float, rows: int) -> None:
    job = _job(kind, rate)
    weights = {name: w.clone().requires_grad_() for name, w in _weights(job).items()}
    fused = Fused(job.labels(), job.train())
    fused.rows = rows  # 4 does not divide 11: the last block is shorter
    loss = fused(job.architecture.tables(weights))
    got = torch.autograd.grad(loss, list(weights.values()), allow_unused=True)

    network = Network(job.architecture, weights, job.task)
    logits = network.logits_from(network.look_up(torch.from_numpy(job.task.pairs())))
    wanted_loss = negative_log_likelihood(logits, job.labels())[job.train()].mean()
    wanted = torch.autograd.grad(wanted_loss, list(weights.values()))
    assert loss.item() == pytest.approx(wanted_loss.item(), abs=1e-6)
    torch.testing.assert_close(fused.logits, logits.detach(), atol=1e-5, rtol=1e-5)
    for name, ours, theirs in zip(weights, got, wanted, strict=True):
        ours = torch.zeros_like(theirs) if ours is None else ours
        torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=1e-4, msg=lambda text, name=name: f"{name}: {text}")


def test_held_out_pairs_do_not_move_the_weights() -> None:
    job = _job("transformer", 0.5)
    labels, train = job.labels(), job.train()
    changed = torch.where(train, labels, (labels + 1) % 11)
    gradients = []
    for each in (labels, changed):
        weights = {name: w.clone().requires_grad_() for name, w in _weights(job).items()}
        Fused(each, train)(job.architecture.tables(weights)).backward()
        gradients.append(weights["blocks.0.mlp.W_in"].grad)
    torch.testing.assert_close(gradients[0], gradients[1], atol=0, rtol=0)


@pytest.mark.parametrize("kind", ["transformer", "gamma"])
def test_networks_run_as_one_program_get_the_gradients_they_get_alone(kind: str) -> None:
    jobs = [_job(kind, rate, seed) for seed, rate in enumerate((0.0, 0.5, 1.0))]
    together = Stacked(jobs, [job.weights() for job in jobs], "cpu")
    together.run()
    for index, job in enumerate(jobs):
        alone = Single(job, job.weights())
        alone.run()
        for name, parameter in alone.parameters.items():
            stacked = together.parameters[name].grad
            assert stacked is not None
            torch.testing.assert_close(stacked[index], parameter.grad, atol=1e-6, rtol=1e-4)
        torch.testing.assert_close(together.seen(index)[1], alone.seen(0)[1], atol=1e-5, rtol=1e-5)


def test_bfloat16_gradients_point_where_float32_ones_do() -> None:
    gradients = []
    for half in (False, True):
        job = _job("transformer", 0.5, half=half)
        program = Single(job, _weights(job))
        program.run()
        gradients.append(torch.cat([p.grad.flatten() for p in program.parameters.values() if p.grad is not None]))
    assert torch.cosine_similarity(gradients[0], gradients[1], dim=0) > 0.999
    assert not torch.equal(gradients[0], gradients[1]), "bfloat16 was not used"

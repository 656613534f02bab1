"""The files in `deploy/` name only options and probes that there are."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest
import yaml

from adhere.cli.serve import serve
from adhere.gateway.policy import policy as policies

FOLDER = Path(__file__).resolve().parents[2] / "deploy"
FILES = ["compose.yaml", "adhere-gateway.service", "kubernetes/deployment.yaml"]


def options() -> set[str]:
    hints = [parameter.annotation for parameter in inspect.signature(serve).parameters.values()]
    stated = [option for hint in hints for option in getattr(hint, "__metadata__", ())]
    # typer takes the first name for a default until it reads the annotation
    return {str(name) for option in stated for name in (option.default, *(option.param_decls or ()))}


@pytest.mark.parametrize("name", FILES)
def test_every_option_is_one_of_serve(name: str) -> None:
    text = re.sub(r"^\s*#.*$", "", (FOLDER / name).read_text(), flags=re.M)
    used = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text))
    assert used <= options()
    assert {"--upstream", "--policy", "--drain"} <= used


def test_the_process_may_drain_before_it_is_killed() -> None:
    deployment = yaml.safe_load((FOLDER / "kubernetes/deployment.yaml").read_text())["spec"]["template"]["spec"]
    args = deployment["containers"][0]["args"]
    drain = int(args[args.index("--drain") + 1])
    before = int(deployment["containers"][0]["lifecycle"]["preStop"]["exec"]["command"][1])
    assert deployment["terminationGracePeriodSeconds"] >= drain + before + 10
    unit = (FOLDER / "adhere-gateway.service").read_text()
    stop, drain = (int(re.search(pattern, unit)[1]) for pattern in (r"TimeoutStopSec=(\d+)", r"--drain (\d+)"))  # type: ignore[index]
    assert stop >= drain + 10


def test_the_example_policy_can_be_put_in_force() -> None:
    policies.load(FOLDER / "kubernetes/policy.yaml").check(charter=True)


def test_every_kubernetes_file_is_one_document_of_its_kind() -> None:
    kinds = {path.name: yaml.safe_load(path.read_text()).get("kind") for path in (FOLDER / "kubernetes").glob("*.yaml")}
    assert kinds["deployment.yaml"] == "Deployment"
    assert kinds["service.yaml"] == "Service"
    assert kinds["kustomization.yaml"] == "Kustomization"

"""A policy whose words would do nothing is refused, with its place; and it can be tried before it is in force."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from typer.testing import CliRunner

from adhere.cli.app import app
from adhere.core.errors import UserError
from adhere.gateway.policy.policy import Policy, load, new_key
from adhere.gateway.policy.schema import policy_schema

SHORT = {"kind": "length.words", "at_most": 20}
DESK = {"name": "desk", "key": new_key()[1]}

NOTHING: dict[str, tuple[dict[str, Any], str]] = {
    "unknown-constraint": ({"routes": [{"constraints": [SHORT, {"kind": "no.such"}]}]}, r"0\.constraints\.1:"),
    "unknown-client": ({"clients": [DESK], "routes": [{"clients": ["x"], "constraints": [SHORT]}]}, r"0\.clients"),
    "client-without-clients": ({"routes": [{"clients": ["desk"], "constraints": [SHORT]}]}, r"routes\.0\.clients"),
    "hidden-route": ({"routes": [{"constraints": [SHORT]}, {"models": ["gpt-*"]}]}, r"routes\.1: never reached"),
    "unused-monitor": ({"monitors": {"l": {"kind": "loops"}}, "routes": [{"constraints": [SHORT]}]}, r"monitors\.l"),
    "metrics-without-console": ({"metrics": "key", "routes": [{"constraints": [SHORT]}]}, "metrics"),
    "unknown-reasoning": ({"routes": [{"handling": {"reasoning": "hide"}}]}, "reasoning"),
}  # fmt: skip


def written(path: Path, fields: dict[str, Any]) -> Path:
    path.write_text(yaml.safe_dump(fields))
    return path


@pytest.mark.parametrize("name", NOTHING)
def test_what_would_do_nothing_is_refused_with_its_place(tmp_path: Path, name: str) -> None:
    fields, place = NOTHING[name]
    with pytest.raises(UserError, match=place) as error:
        load(written(tmp_path / "policy.yaml", fields))
    assert "\n" not in str(error.value)


def test_routes_that_share_some_requests_are_not_hidden() -> None:
    Policy.model_validate({"routes": [{"models": ["a*"]}, {"models": ["*"], "constraints": [SHORT]}]})


def test_a_policys_limits_reach_the_reading_of_requests() -> None:
    policy = Policy.model_validate({"limits": {"terms": 5}, "routes": [{"constraints": [SHORT]}]})
    assert policy.limits.limits.terms == 5


def test_a_request_is_tried_on_a_policy(tmp_path: Path) -> None:
    policy = written(tmp_path / "policy.yaml", {"routes": [{"name": "short", "constraints": [SHORT]}]})
    body = tmp_path / "request.json"
    body.write_text(
        json.dumps(
            {
                "model": "m",
                "messages": [{"role": "user", "content": "x"}],
                "response_format": {"type": "json_object"},
            }
        )
    )
    done = CliRunner().invoke(app, ["policy", "try", str(policy), str(body)])
    assert done.exit_code == 0
    assert "routes.0 (short)" in done.output
    assert "policy   Use at most 20 words." in done.output
    assert "request  Answer in JSON" in done.output
    assert CliRunner().invoke(app, ["policy", "check", str(policy)]).exit_code == 0


def test_the_schema_for_editors_takes_a_policy_and_refuses_a_misspelt_field() -> None:
    schema = policy_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    good = {"clients": [DESK], "routes": [{"constraints": [SHORT], "handling": {"reasoning": "judge"}}]}
    validator = jsonschema.Draft202012Validator(schema)
    assert validator.is_valid(good)
    assert not validator.is_valid({"routes": [{"constraint": [SHORT]}]})
    assert not validator.is_valid({"routes": [{"constraints": [{"kind": "length.wurds"}]}]})

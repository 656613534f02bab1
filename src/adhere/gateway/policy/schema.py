"""The JSON Schema of policies, for editors that complete and check YAML."""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from adhere.constraints.constraint import Constraint
from adhere.constraints.registry import families
from adhere.gateway.policy.policy import Policy


class _Policies(GenerateJsonSchema):
    """A constraint is an object with one of the known kinds; its family checks the rest."""

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        if schema["cls"] is Constraint:
            kinds = sorted(families())
            return {"type": "object", "required": ["kind"], "properties": {"kind": {"enum": kinds}}}
        return super().model_schema(schema)


def policy_schema() -> dict[str, Any]:
    """The schema of `policy.Policy`, draft 2020-12."""
    schema = Policy.model_json_schema(schema_generator=_Policies)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}

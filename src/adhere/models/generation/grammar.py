"""Token masks for JSON: only tokens that can still become a document of the schema are allowed.

llguidance computes the masks. A mask is not a verdict: the caller checks the result.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from adhere.constraints.constraint import Constraint
from adhere.constraints.families.json_format import Json
from adhere.constraints.families.json_schema import JsonSchema
from adhere.core.errors import UserError

if TYPE_CHECKING:
    from adhere.models.load import OpenModel

ANY_OBJECT: Mapping[str, Any] = {"type": "object"}
"""The schema of `response_format: {"type": "json_object"}`."""


class Grammar:
    """Which tokens may follow, for one answer that has to be JSON.

    Args:
        opened: the model that writes.
        schema: a JSON schema.

    Raises:
        UserError: llguidance is not installed, or cannot express the schema.
    """

    def __init__(self, opened: OpenModel, schema: Mapping[str, Any] = ANY_OBJECT) -> None:
        try:
            from llguidance import LLMatcher
        except ImportError:
            raise UserError("JSON by schema needs llguidance: pip install 'adhere[grammar]'") from None
        self._vocabulary = int(opened.model.config.vocab_size)
        grammar = LLMatcher.grammar_from_json_schema(json.dumps(schema))
        if fault := LLMatcher.validate_grammar(grammar):
            raise UserError(f"the JSON schema cannot be enforced: {' '.join(str(fault).split())[:200]}")
        self._matcher = LLMatcher(_tokenizer(opened.tokenizer, self._vocabulary, opened.end_ids), grammar)
        self._read = 0

    def allowed(self, tokens: Sequence[int]) -> torch.Tensor:
        """A bool tensor [vocabulary]: the tokens that may follow the answer's `tokens`."""
        if len(tokens) < self._read:
            self._matcher.reset()
            self._read = 0
        for token in tokens[self._read :]:
            self._matcher.consume_token(token)
        self._read = len(tokens)
        words = np.frombuffer(self._matcher.compute_bitmask(), dtype=np.uint8)
        bits = np.unpackbits(words, bitorder="little")[: self._vocabulary]
        mask = torch.zeros(self._vocabulary, dtype=torch.bool)
        mask[: len(bits)] = torch.from_numpy(bits.astype(bool))
        return mask


def grammar_of(opened: OpenModel, constraints: Sequence[Constraint]) -> Grammar | None:
    """The grammar of the constraints that ask for JSON; None where none does, or where it cannot be enforced: then the
    constraints' monitors alone guide."""
    schema: Mapping[str, Any] | None = None
    for constraint in constraints:
        if isinstance(constraint, JsonSchema):
            schema = json.loads(constraint.json_schema)
        elif isinstance(constraint, Json) and constraint.keys:
            keys = list(constraint.keys)
            schema = schema or {"type": "object", "properties": {key: {} for key in keys}, "required": keys}
        elif isinstance(constraint, Json):
            schema = schema or {"type": ["object", "array"]}
    if not isinstance(schema, dict):
        return None
    try:
        return Grammar(opened, schema)
    except UserError:
        return None


@lru_cache(maxsize=4)
def _tokenizer(tokenizer: Any, vocabulary: int, ends: frozenset[int]) -> Any:
    from llguidance.hf import from_tokenizer

    return from_tokenizer(tokenizer, n_vocab=vocabulary, eos_token=sorted(ends))

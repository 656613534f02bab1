"""Writing text: batched generation, detokenizing, masks and grammars, tool calls."""

"""Forward passes: hooks on blocks and attention, captured states, interventions, prefill."""

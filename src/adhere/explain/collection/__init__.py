"""From a model or logs to examples: sampling, labelling, replaying, captured states, the journal."""

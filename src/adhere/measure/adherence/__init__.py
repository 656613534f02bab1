"""How often a model follows its instructions: saved responses and live models, scored and compared."""

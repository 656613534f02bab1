"""The recipe of the pocket model: data, optimiser, training, evaluation, export."""

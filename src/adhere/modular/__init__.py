"""Clock and Pizza: which algorithm does training find for modular arithmetic (arXiv 2306.17844)?

Train a one-layer transformer on four fifths of the addition table modulo 59 and look at what it became. Of all
the functions that agree with the training pairs it finds one that is right on the rest, and it computes it in one
of two ways: as a Clock, by multiplying angles, or as a Pizza, by halving vectors. `task` is the table to learn,
`network` the models, `kernel` and `train` the learning, `metrics`, `circles` and `verdict` the looking,
`published` what the authors released, `odds` the armchair's expectation, `figures` the series for the report.
"""

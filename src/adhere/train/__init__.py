"""Training on the same constraints that are measured and enforced."""

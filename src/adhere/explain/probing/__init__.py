"""Probes and erasers fitted from moments: folds, splits, logistic grids, decodability, scans over sites."""

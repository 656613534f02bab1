"""Explaining: where inside a model the following of instructions happens, from what it computed while it wrote.

`Examples` holds captured residual streams of labelled responses. `Moments` sums them up in one pass; probes, erasure
and transfer are then fitted from the sums. Each lens is one file and returns a frozen result that tells its findings.
"""

from adhere.explain.cases.examples import Examples, Shortfall

__all__ = ["Examples", "Shortfall"]

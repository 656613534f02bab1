"""Principals: their keys, how many must sign, and the signed charter that binds them."""

"""Adhere inside other tools: one file for each host, which is imported only where the host is.

All of them stand on `adhere.api`; none reads anything private of its host.
"""

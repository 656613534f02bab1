"""The arms of an episode, by name; `episode` plays them. Apart from it, so that Inspect can list the tasks without the
warden's libraries."""

from __future__ import annotations

ARMS = ("single", "best_of_n", "ask_again", "decomposed", "validated", "masked")

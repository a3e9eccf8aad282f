"""Evaluation: the active ruleset in memory, and the calls that price carts with it."""

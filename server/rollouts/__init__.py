"""Rollouts: a revision reaches some stores first, and the rest when it has done well there."""

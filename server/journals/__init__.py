"""Journals of tills: what they granted on their own is taken in once, and priced again as a check."""

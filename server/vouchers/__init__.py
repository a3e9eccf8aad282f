"""Voucher codes: made or imported in batches, recognised, claimed, and kept from being guessed."""

"""Voucher codes: made or imported in batches, recognised, and kept from being guessed."""

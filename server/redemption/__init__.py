"""Redemption: promotions granted to orders, the limits that bound it, and the ledger of both."""

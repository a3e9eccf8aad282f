"""The secret that codes are kept under, and the keys that are derived from it."""

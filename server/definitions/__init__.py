"""Definitions: publishing promotions and rebuilding any revision."""

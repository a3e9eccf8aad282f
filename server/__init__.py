"""The Dealwright service: one package per capability."""

"""Audit: who did what, when and from where, in a chain that shows every later edit."""

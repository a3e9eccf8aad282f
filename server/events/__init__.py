"""What happened, told to whoever wants to know: an outbox, and webhooks that are called from it."""

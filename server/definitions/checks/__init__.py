"""What is checked before something comes into force: test carts, analysis and guardrails."""

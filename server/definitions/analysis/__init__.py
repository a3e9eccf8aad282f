"""Analysis: what promotions do to each other, each finding with a cart that the engine confirms it on."""

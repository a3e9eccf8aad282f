"""Distribution: what each till receives, the streams that bring it, and the signatures that it carries."""

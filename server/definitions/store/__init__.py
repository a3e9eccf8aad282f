"""The SQL of definitions. Every function works on a connection inside the caller's transaction."""

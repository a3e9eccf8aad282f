"""The SQL of access: tokens, users and sessions, failed logins."""

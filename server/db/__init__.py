"""The database: connections, migrations and the embedded PostgreSQL."""

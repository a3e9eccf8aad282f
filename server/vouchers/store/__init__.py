"""The SQL of vouchers."""

"""Is what clients see: it admits them, serves their sessions by workers, and answers REST."""

"""Lists the versions of the tables, one module each."""

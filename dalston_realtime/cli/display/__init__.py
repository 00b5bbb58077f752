"""Shows sessions to people and programs: JSON lines, plain lines, a live terminal, tables."""

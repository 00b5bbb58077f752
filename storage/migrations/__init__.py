"""Makes the tables of the history, and brings those of an earlier version up to date."""

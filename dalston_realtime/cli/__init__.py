"""Is the command `dalston-rt`: `commands` has one module for each, `display` what they show."""

"""Changes, finishes and deletes the records of sessions, with the files that belong to them."""

"""Runs the models, which transcribe audio in batches; each engine imports its own library."""

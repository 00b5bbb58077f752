"""Holds the models: audio in, text out, batched, without processes; each module imports its own library."""

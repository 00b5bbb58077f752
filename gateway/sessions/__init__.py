"""Runs sessions, each over all of its connections and workers, and whatever transport its client has."""

"""Keeps the jobs of the batch pipeline, the enrolled voices and the webhooks that are to be sent."""

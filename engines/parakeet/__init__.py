"""Runs Parakeet on NeMo: transcribes streams chunk by chunk, with words."""

"""Says how a voice sounds, by an audio classifier of the user's choice."""

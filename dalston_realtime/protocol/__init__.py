"""Is the client protocol, typed: events, commands, parameters, close codes, models, the form of audio."""

"""Says who makes a request, and what they may do: API keys, tokens, and the user of this machine."""

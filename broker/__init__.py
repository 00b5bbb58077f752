"""The session router: which workers there are and which of them serves which session, kept in Redis."""

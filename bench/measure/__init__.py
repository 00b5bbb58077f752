"""Turns what was played and heard into figures."""

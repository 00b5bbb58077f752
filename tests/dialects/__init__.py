"""Tests that the clients of other services connect without a change."""

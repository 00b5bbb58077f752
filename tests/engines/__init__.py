"""Tests what every engine must do, with real weights."""

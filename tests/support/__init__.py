"""Holds what tests share: builders, fakes, processes."""

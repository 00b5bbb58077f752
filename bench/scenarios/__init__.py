"""Holds the measurements, one module for each subcommand of `dalston-rt bench`."""

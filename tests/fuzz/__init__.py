"""Lets atheris look for bytes that a parser does not expect, by which branches of our code they reach."""

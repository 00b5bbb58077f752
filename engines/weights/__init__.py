"""Holds the weights of the models that come with this package; README.md says where they are from."""

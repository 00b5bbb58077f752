"""What every engine has to keep to, with real weights."""

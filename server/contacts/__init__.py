"""People: how a number is read, and who is meant by it."""

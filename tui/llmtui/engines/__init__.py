"""One protocol, several engines behind it."""

"""The command line: the only writer of standard output."""

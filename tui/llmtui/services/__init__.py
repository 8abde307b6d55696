"""What the program does, without a screen and without printing."""

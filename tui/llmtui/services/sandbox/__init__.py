"""Running code that a model wrote: in a sandbox, against tests, with nothing of the user's in reach."""

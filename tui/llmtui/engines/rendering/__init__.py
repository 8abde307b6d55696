"""Chat templates: strangers' programs, run in a small process of their own, for whichever engine needs the text."""

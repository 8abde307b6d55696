"""Files the user owns, in and out."""

"""Text into terminal lines: safe, wrapped, Chinese included."""

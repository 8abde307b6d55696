"""A Hugging Face hub: listing a repository's files and fetching one, in a process of its own."""

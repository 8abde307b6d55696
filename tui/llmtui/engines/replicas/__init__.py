"""Several servers that serve one model and share the work: who answers, who is left out, and who has come back."""

"""The Ollama engine: its native API, spoken through the `ollama` package."""

"""The OpenAI-compatible engine: any server that speaks that API, over HTTP."""

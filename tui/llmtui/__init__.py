"""llmtui: chat with any local language model in the terminal, with a live profiler beside it."""

__version__ = "0.1.0"

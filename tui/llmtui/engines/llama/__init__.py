"""llama.cpp in a process of its own, one a model."""

"""Counting tokens: by the engine, by an encoder made of the model's vocabulary, or by a rule of thumb."""

"""Prompt sets across models: the plan, one sample, its scores, the file, the totals. `services.runner` drives them."""

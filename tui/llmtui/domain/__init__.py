"""Frozen values and pure folds over them."""

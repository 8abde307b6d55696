"""The pilot tests' stage, for pictures."""

from pilot.conftest import stage

__all__ = ["stage"]

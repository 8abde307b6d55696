"""What long operations on models tell while they work."""

from typing import Literal

import msgspec


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far an operation is.

    Attributes:
        stage: in words, e.g. `downloading`, `checking`, `quantising`.
        done: so far, in `unit`; None where it cannot be told.
        total: when finished; None where it is not known.
        unit: what is counted.
        path: of the finished file; set on the last event only.
    """

    stage: str
    done: int | None = None
    total: int | None = None
    unit: Literal["bytes", "tensors", "answers"] = "bytes"
    path: str | None = None

    @property
    def fraction(self) -> float | None:
        """0 to 1; None where it is not known."""
        return min(1.0, self.done / self.total) if self.done is not None and self.total else None

"""What the program and a quantiser process say to each other: a job on standard input, lines of JSON back."""

import msgspec


class Trial(msgspec.Struct, frozen=True, tag="trial", tag_field="is"):
    """Find out what each type would make of a model, without writing anything.

    Attributes:
        source: the file, or the first of a split model.
        types: llama.cpp's `LLAMA_FTYPE_…`.
    """

    source: str
    types: tuple[int, ...]


class Conversion(msgspec.Struct, frozen=True, tag="conversion", tag_field="is"):
    """Quantise a model.

    Attributes:
        target: the file to be written; it is truncated.
        type: llama.cpp's `LLAMA_FTYPE_…`.
        threads: None takes the physical cores this process may use.
    """

    source: str
    target: str
    type: int
    threads: int | None = None


class Fallback(msgspec.Struct, frozen=True):
    """A tensor whose rows do not divide into the type's blocks, and what llama.cpp takes instead.

    Attributes:
        columns: elements of a row.
        wanted, given: tensor types, e.g. `Q4_K` and `Q5_0`.
    """

    tensor: str
    columns: int
    wanted: str
    given: str


class TypeTried(msgspec.Struct, frozen=True, tag="tried", tag_field="is"):
    """What one type would make of the model.

    Attributes:
        tensors: name and tensor type of those that get another type than they have.
        needs_matrix: llama.cpp would refuse without an importance matrix.
        problem: llama.cpp's words when it refuses altogether.
    """

    type: int
    tensors: dict[str, str] = {}
    fallbacks: tuple[Fallback, ...] = ()
    needs_matrix: bool = False
    problem: str | None = None


class TensorBegun(msgspec.Struct, frozen=True, tag="tensor", tag_field="is"):
    """The conversion has reached the tensor `number`, counted from 1."""

    number: int
    total: int
    name: str


class Converted(msgspec.Struct, frozen=True, tag="converted", tag_field="is"):
    """The file is written; None unless llama.cpp failed."""

    problem: str | None = None


Job = Trial | Conversion
Report = TypeTried | TensorBegun | Converted

"""The types that llama.cpp's quantiser writes, what each is good for, and when quantising again does harm."""

from typing import Literal

import msgspec

Grade = Literal["float", "recommended", "good", "poor", "special"]
"""`float` is not quantised; `poor` is below the floor of four bits; `special` is for models trained for the type."""


class QuantType(msgspec.Struct, frozen=True):
    """A file type of the quantiser.

    Attributes:
        name: as the field writes it.
        number: llama.cpp's `LLAMA_FTYPE_…`.
        bits: a weight in an 8B Llama, the mixture of tensor types included, from llama.cpp's dry run over that
            shape; other shapes differ in the second digit.
        grade: how good a choice it is.
        remark: a few words.
        matrix: llama.cpp refuses it without an importance matrix, for some tensors at least.
    """

    name: str
    number: int
    bits: float
    grade: Grade
    remark: str = ""
    matrix: bool = False


_LAST = "a last resort: answers are visibly worse"
_SMALL = "below the 4-bit floor: quality suffers"
_TRAINED = "only for models trained for it; ruins others"

TYPES: tuple[QuantType, ...] = (
    QuantType("F32", 0, 32.0, "float", "no use beyond F16 or BF16 for most models"),
    QuantType("BF16", 32, 16.0, "float", "what most models are trained in"),
    QuantType("F16", 1, 16.0, "float", "the usual starting point"),
    QuantType("Q8_0", 7, 8.50, "recommended", "as good as the original"),
    QuantType("Q6_K", 18, 6.56, "recommended", "hardly any loss"),
    QuantType("Q5_1", 9, 6.04, "good", "older; Q5_K_M is better"),
    QuantType("Q5_K_M", 17, 5.70, "recommended", "little loss"),
    QuantType("Q5_K_S", 16, 5.57, "good"),
    QuantType("Q5_0", 8, 5.57, "good", "older; Q5_K_S is better"),
    QuantType("Q4_1", 3, 5.10, "good", "older; Q4_K_M is better"),
    QuantType("Q4_K_M", 15, 4.89, "recommended", "the floor: the smallest without a clear loss"),
    QuantType("IQ4_NL", 25, 4.68, "good"),
    QuantType("Q4_K_S", 14, 4.67, "good"),
    QuantType("Q4_0", 2, 4.64, "good", "fast on ARM and AVX; Q4_K_M is more exact"),
    QuantType("IQ4_XS", 30, 4.46, "good", "slower on a processor"),
    QuantType("Q3_K_L", 13, 4.30, "poor", _SMALL),
    QuantType("Q3_K_M", 12, 4.00, "poor", _SMALL),
    QuantType("IQ3_M", 27, 3.76, "poor", _SMALL),
    QuantType("IQ3_S", 26, 3.66, "poor", _SMALL),
    QuantType("Q3_K_S", 11, 3.64, "poor", _SMALL),
    QuantType("IQ3_XS", 22, 3.50, "poor", _SMALL, matrix=True),
    QuantType("IQ3_XXS", 23, 3.37, "poor", _SMALL, matrix=True),
    QuantType("Q2_K", 10, 3.16, "poor", _LAST),
    QuantType("Q2_K_S", 21, 2.97, "poor", _LAST, matrix=True),
    QuantType("IQ2_M", 29, 2.93, "poor", _LAST, matrix=True),
    QuantType("IQ2_S", 28, 2.74, "poor", _LAST, matrix=True),
    QuantType("IQ2_XS", 20, 2.59, "poor", _LAST, matrix=True),
    QuantType("IQ2_XXS", 19, 2.38, "poor", _LAST, matrix=True),
    QuantType("IQ1_M", 31, 2.15, "poor", _LAST, matrix=True),
    QuantType("IQ1_S", 24, 2.00, "poor", _LAST, matrix=True),
    QuantType("MXFP4", 38, 8.50, "special", "for mixtures of experts: 4.25 bits for the experts, Q8_0 for the rest"),
    QuantType("Q2_0", 41, 2.68, "special", _TRAINED),
    QuantType("TQ2_0", 37, 2.52, "special", _TRAINED),
    QuantType("TQ1_0", 36, 2.19, "special", _TRAINED),
    QuantType("Q1_0", 40, 1.48, "special", _TRAINED),
)
"""Largest first within a grade's use. llama.h also names NVFP4, which the quantiser does not write."""

FLOATS = frozenset({"F32", "F16", "BF16", "F64"})
LOSSLESS = frozenset({"Q8_0"})
"""Quantised, yet so exact (8 bits, a scale for every 32 weights) that rounding once more adds next to nothing."""


def quant_type(name: str) -> QuantType | None:
    """By name, in upper or lower case; `MXFP4_MOE` is llama.cpp's own name for `MXFP4`."""
    wanted = name.upper().replace("-", "_").removesuffix("_MOE")
    return next((known for known in TYPES if known.name == wanted), None)


class Judgement(msgspec.Struct, frozen=True):
    """Whether to go ahead.

    Attributes:
        harmful: why not, unless the user insists; None when nothing stands against it.
        warnings: to be told either way.
    """

    harmful: str | None = None
    warnings: tuple[str, ...] = ()


def judge(source: str, source_bits: float, target: QuantType, target_bits: float) -> Judgement:
    """What becomes of a model's quality.

    A quantiser rounds. From floats, or from Q8_0, which is nearly as exact, it rounds once. From six bits or fewer
    the errors of two roundings add up: the result is worse than the same type made from the original, and nothing in
    the file will tell. Making such a file larger brings nothing back.

    Args:
        source: tensor type that most of the model's bytes have, e.g. `Q8_0`.
        source_bits: a weight, over the whole model.
        target: what is to be written.
        target_bits: a weight of it.
    """
    warnings = (f"{target.name}: {target.remark}",) if target.grade in {"poor", "special"} else ()
    if source in FLOATS:
        return Judgement(None, warnings)
    if target.grade == "float":
        return Judgement(None, (f"the model is {source} already: {target.name} makes it larger, not better", *warnings))
    if target_bits >= source_bits:
        return Judgement(f"the model is {source} already, and {target.name} would not make it smaller", warnings)
    if source in LOSSLESS:
        return Judgement(None, (f"made from {source}, not from the original: a little is lost twice", *warnings))
    return Judgement(f"the model is {source} already: rounding it again loses more than {target.name} itself", warnings)

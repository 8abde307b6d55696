"""Quantising a model: what is possible, what it would give, and the doing, which leaves a whole file or none."""

import asyncio
import contextlib
import shutil
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

import msgspec

from llmtui.domain.models import ModelInfo
from llmtui.domain.operations import Progress
from llmtui.domain.quantisation import TYPES, QuantType, judge
from llmtui.domain.quantities import size
from llmtui.engines.llama import quantiser
from llmtui.engines.llama.quantising import Conversion, Fallback, TypeTried
from llmtui.errors import EngineError, LlmtuiError, ModelError, StoreError, UsageError
from llmtui.services.quantise_target import check_target
from llmtui.store.gguf import GgufHeader, read_header
from llmtui.store.gguf_tables import TENSOR_TYPES
from llmtui.store.staging import StagedFile, clear_leftovers

SPARE_BYTES = 16 << 20
"""Space to be left free on the disk."""
_BY_NAME = {kind.name: kind for kind in TENSOR_TYPES.values()}


class TypeChoice(msgspec.Struct, frozen=True, kw_only=True):
    """What a type would make of a model.

    Attributes:
        size_bytes: of the file, to a few KiB; None when it is impossible.
        bits: a weight, over the whole model.
        impossible: why llama.cpp would not write it, or it would not be what it says.
        harmful: why it should not be done, unless the user insists.
        fallbacks: tensors that would get another type, because their rows do not divide into the type's blocks.
    """

    type: QuantType
    size_bytes: int | None = None
    bits: float | None = None
    impossible: str | None = None
    harmful: str | None = None
    warnings: tuple[str, ...] = ()
    fallbacks: tuple[Fallback, ...] = ()


class QuantisePlan(msgspec.Struct, frozen=True, kw_only=True):
    """What is going to be done; see `plan`.

    Attributes:
        target: the file to be.
        tensors: of the model.
        replace: an existing target makes way.
    """

    info: ModelInfo
    choice: TypeChoice
    target: Path
    tensors: int
    threads: int | None
    replace: bool


async def choices(info: ModelInfo, types: Sequence[QuantType] = TYPES) -> AsyncGenerator[TypeChoice]:
    """What each type would make of the model, by llama.cpp's own account; nothing is written.

    Raises:
        UsageError: the model is no file on this machine.
        ModelError: its files cannot be read.
        EngineError: the quantiser could not be asked.
    """
    headers = await asyncio.to_thread(_headers, info)
    by_number = {known.number: known for known in types}
    async with contextlib.aclosing(quantiser.try_types(info.path, tuple(by_number))) as tried:
        async for report in tried:
            yield _choice(headers, by_number[report.type], report)


async def plan(
    info: ModelInfo,
    kind: QuantType,
    models_dir: Path,
    *,
    output: Path | None = None,
    threads: int | None = None,
    allow_requantise: bool = False,
    replace: bool = False,
) -> QuantisePlan:
    """Check everything that can be checked before the work.

    Args:
        info: the model.
        kind: the type to write.
        models_dir: takes the file where the model's own folder cannot, or is not the user's.
        output: the file, or a folder to put it into; None takes the model's name and the type.
        threads: None takes the physical cores this process may use.
        allow_requantise: go on where `TypeChoice.harmful` says otherwise.
        replace: overwrite.

    Raises:
        UsageError: the type is impossible or harmful, or the target is not possible.
        StoreError: there is not enough space, or the folder cannot be written.
        ModelError, EngineError: as `choices`.
    """
    tried = [choice async for choice in choices(info, (kind,))]
    choice = tried[0]
    if choice.impossible is not None:
        raise UsageError(
            f"{info.name} cannot be quantised to {kind.name}", cause=choice.impossible, remedy=_another(kind)
        )
    if choice.harmful is not None and not allow_requantise:
        raise UsageError(
            f"{info.name} should not be quantised to {kind.name}",
            cause=choice.harmful,
            remedy="Take the original (F16, BF16 or Q8_0) of this model, or insist with --allow-requantise",
        )
    target = await asyncio.to_thread(check_target, info, kind.name, models_dir, output, replace=replace)
    await asyncio.to_thread(_check_space, target, choice.size_bytes or 0)
    headers = await asyncio.to_thread(_headers, info)
    return QuantisePlan(
        info=info,
        choice=choice,
        target=target,
        tensors=sum(len(header.tensors) for header in headers),
        threads=threads,
        replace=replace,
    )


async def quantise(plan: QuantisePlan) -> AsyncGenerator[Progress]:
    """Do it. The last progress names the finished file; closing the iterator, or an error, leaves none.

    Raises:
        EngineError: llama.cpp failed, or its process was killed.
        StoreError: the file cannot be written.
    """
    total = plan.tensors
    staged = await asyncio.to_thread(_stage, plan.target)
    try:
        yield Progress(stage="quantising", done=0, total=total, unit="tensors")
        job = Conversion(plan.info.path, str(staged.path), plan.choice.type.number, plan.threads)
        try:
            async with contextlib.aclosing(quantiser.convert(job)) as begun:
                async for tensor in begun:
                    yield Progress(stage="quantising", done=tensor.number - 1, total=total, unit="tensors")
        except EngineError as error:
            raise _explained(error, plan.target) from error
        yield Progress(stage="checking", done=total, total=total, unit="tensors")
        await asyncio.to_thread(_check, staged.path, plan)
        yield Progress(stage="writing to the disk", done=total, total=total, unit="tensors")
        await asyncio.to_thread(_publish, staged, replace=plan.replace)
    finally:
        await asyncio.to_thread(staged.close)
    yield Progress(stage="done", done=total, total=total, unit="tensors", path=str(plan.target))


def _headers(info: ModelInfo) -> list[GgufHeader]:
    if info.server is not None:
        raise UsageError(
            "Only a file can be quantised",
            cause=f"{info.name} is a server's model",
            remedy="Quantise it on the machine where its file lies",
        )
    if info.kind != "model":
        raise UsageError(
            "Only a language model can be quantised", cause=f"{info.path}: a LoRA adapter", remedy="Name the model"
        )
    if info.problem is not None:
        raise ModelError("The model cannot be read", cause=f"{info.path}: {info.problem}", remedy="Get its files again")
    return [read_header(part) for part in info.parts]


def _choice(headers: Sequence[GgufHeader], kind: QuantType, tried: TypeTried) -> TypeChoice:
    impossible = _impossible(headers[0], kind, tried)
    if impossible is not None:
        return TypeChoice(type=kind, impossible=impossible)
    tensors = [tensor for header in headers for tensor in header.tensors]
    by_type: dict[str, int] = {}
    before = after = elements = 0
    for tensor in tensors:
        by_type[tensor.type_name] = by_type.get(tensor.type_name, 0) + (tensor.size_bytes or 0)
        before += tensor.size_bytes or 0
        elements += tensor.elements
        new = _BY_NAME.get(tried.tensors.get(tensor.name, ""))
        now = tensor.elements // new.block * new.block_bytes if new else tensor.size_bytes or 0
        after += -(-now // headers[0].alignment) * headers[0].alignment
    source = max(by_type, key=lambda name: by_type[name])
    bits_before, bits = 8 * before / elements, 8 * after / elements
    judgement = judge(source, bits_before, kind, bits)
    return TypeChoice(
        type=kind,
        size_bytes=sum(header.data_offset for header in headers) + after,
        bits=bits,
        harmful=judgement.harmful,
        warnings=judgement.warnings,
        fallbacks=tried.fallbacks,
    )


def _impossible(head: GgufHeader, kind: QuantType, tried: TypeTried) -> str | None:
    if tried.problem is not None:
        return f"llama.cpp says: {tried.problem}"
    if tried.needs_matrix:
        return "it needs an importance matrix, which tells the weights that matter; without one it gives noise"
    if kind.name == "MXFP4" and not head.number(f"{head.text('general.architecture')}.expert_count"):
        return "it is for mixtures of experts, and this model has none"
    return None


def _another(kind: QuantType) -> str:
    near = [known.name for known in TYPES if known.grade != "special" and not known.matrix and known.bits < 16]
    nearest = min(near, key=lambda name: abs(kind.bits - next(known.bits for known in TYPES if known.name == name)))
    return f"Take {nearest}, the nearest in size, or get a file that was made with a matrix"


def _check_space(target: Path, needed: int) -> None:
    folder = next(parent for parent in target.parents if parent.exists())
    free = shutil.disk_usage(folder).free
    if free < needed + SPARE_BYTES:
        raise StoreError(
            "There is not enough space for the quantised model",
            cause=f"{target.parent}: {size(needed)} are needed, {size(free)} are free",
            remedy="Free some space, or choose a folder on another disk with -o",
        )


def _stage(target: Path) -> StagedFile:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        clear_leftovers(target.parent)
        return StagedFile(target)
    except OSError as error:
        raise _not_written(target, error.strerror or str(error)) from error


def _publish(staged: StagedFile, *, replace: bool) -> None:
    try:
        staged.publish(replace=replace)
    except FileExistsError as error:
        raise UsageError(
            "The file exists by now", cause=str(staged.final), remedy="Choose another name with -o, or use --force"
        ) from error
    except OSError as error:
        raise _not_written(staged.final, error.strerror or str(error)) from error


def _check(path: Path, plan: QuantisePlan) -> None:
    """The file must be whole, and what was asked for."""
    kind = plan.choice.type
    try:
        header = read_header(path)
    except ModelError as error:
        raise EngineError("The quantised file is damaged", cause=error.title, remedy="Try again") from error
    if len(header.tensors) != plan.tensors or header.number("general.file_type") != kind.number:
        raise EngineError(
            "The quantised file is not what was asked for",
            cause=f"{len(header.tensors)} of {plan.tensors} tensors, type {header.number('general.file_type')}",
            remedy="Try again, or choose another type",
        )


def _explained(error: EngineError, target: Path) -> LlmtuiError:
    """llama.cpp calls every failure to write an `iostream error`."""
    if "iostream" not in error.cause:
        return error
    free = shutil.disk_usage(target.parent).free
    return _not_written(target, f"writing failed; {size(free)} are free")


def _not_written(target: Path, reason: str) -> StoreError:
    return StoreError(
        "The quantised file could not be written",
        cause=f"{target.parent}: {reason}",
        remedy="Free some space, or choose another folder with -o; nothing was left behind",
    )

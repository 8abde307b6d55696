"""`llmtui [MODEL]`: the terminal program."""

import difflib
import functools
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, get_args

import click

from llmtui.cli import output
from llmtui.cli.registry import COMMANDS
from llmtui.domain.kv_types import KV_TYPES, FlashAttention
from llmtui.domain.limits import MAX_INT
from llmtui.errors import UsageError

if TYPE_CHECKING:
    from llmtui.services.wiring import Services


class _KvTypes(click.ParamType[tuple[str, str]]):
    """One type for keys and values, or two with a comma between."""

    name = "type"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        """The types of keys and of values."""
        if isinstance(value, tuple):
            return value
        kinds = [part.strip().lower() for part in str(value).split(",")]
        if len(kinds) > 2 or not set(kinds) <= set(KV_TYPES):
            self.fail(f"{value!r} is not one of {', '.join(KV_TYPES)}, nor two of them as q8_0,f16", param, ctx)
        return kinds[0], kinds[-1]


class _Endpoints(click.ParamType[tuple[str, ...]]):
    """One or more of `host:port`, with commas between."""

    name = "endpoints"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        """The endpoints."""
        if isinstance(value, tuple):
            return value
        found = tuple(part.strip() for part in str(value).split(",") if part.strip())
        from llmtui.domain.settings import is_endpoint  # noqa: PLC0415 - `--help` needs no settings

        if not found or not all(map(is_endpoint, found)):
            self.fail(f"{value!r} is not HOST:PORT, nor several with commas between", param, ctx)
        return found


_RUNTIME_OPTIONS = (
    click.option("--context", type=click.IntRange(16, MAX_INT), metavar="N", help="Context size in tokens."),
    click.option("--threads", type=click.IntRange(1, 1024), metavar="N", help="Threads of decode."),
    click.option("--gpu-layers", type=click.IntRange(0, 10_000), metavar="N", help="Layers on the GPU; default: all."),
    click.option("--batch", type=click.IntRange(1, 65_536), metavar="N", help="Tokens of a prompt evaluated at once."),
    click.option("--micro-batch", type=click.IntRange(1, 65_536), metavar="N", help="Of these, in one pass."),
    click.option(
        "--flash-attention", type=click.Choice(get_args(FlashAttention)), help="Default: auto, as the device can."
    ),
    click.option(
        "--kv-type",
        type=_KvTypes(),
        metavar="TYPE[,TYPE]",
        help="Of the cache, or of its keys and values: q8_0 …",
    ),
    click.option(
        "--rpc", type=_Endpoints(), metavar="HOST:PORT[,…]", help="Spread the model over llama.cpp's RPC workers."
    ),
)
_RUNTIME_NAMES = ("context", "threads", "gpu_layers", "batch", "micro_batch", "flash_attention", "kv_type", "rpc")


def runtime_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Options of everything that loads a model; the function gets `runtime`, fields of `Runtime` that were given."""

    @functools.wraps(function)
    def collected(*args: Any, **options: Any) -> Any:
        given = {name: options.pop(name) for name in _RUNTIME_NAMES}
        return function(*args, runtime=runtime_fields(given), **options)

    return _separate_runtime_options(collected)


def _separate_runtime_options(function: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(_RUNTIME_OPTIONS):
        function = option(function)
    return function


def runtime_fields(options: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of `Runtime` that options say; those that were not given are left out."""
    given = {name: options.get(name) for name in _RUNTIME_NAMES}
    given["kv_type_k"], given["kv_type_v"] = given.pop("kv_type") or (None, None)
    return {name: value for name, value in given.items() if value is not None}


def open_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Options of the terminal program, which stand before or behind MODEL."""
    chat = click.option("--chat", metavar="ID|PATH", help="Reopen a past chat and continue it.")
    profile = click.option("-p", "--profile", metavar="PROFILE", help="A name from `llmtui profiles`, or a .yaml file.")
    return profile(chat(_separate_runtime_options(function)))


class _OpenCommand(click.Command):
    """Speaks of itself as the program: its name is nothing that a user types."""

    def get_help(self, ctx: click.Context) -> str:
        return ctx.parent.get_help() if ctx.parent else super().get_help(ctx)

    def get_usage(self, ctx: click.Context) -> str:
        return ctx.parent.get_usage() if ctx.parent else super().get_usage(ctx)


@click.command(cls=_OpenCommand, name="open", hidden=True)
@click.argument("model", required=False)
@open_options
@click.pass_context
def open_tui(ctx: click.Context, /, model: str | None, **options: Any) -> None:
    """Open the chat screen."""
    before = ctx.parent.params if ctx.parent else {}
    given = {name: value if value is not None else before.get(name) for name, value in options.items()}
    chat, profile = given["chat"], given["profile"]
    from llmtui.services.chats import find_chat  # noqa: PLC0415 - `--help` loads no service
    from llmtui.services.setup import prepare  # noqa: PLC0415

    services = prepare(profile=profile, **runtime_fields(given))
    if model is not None:
        _check_model(services, model)
    path = find_chat(services.folders, chat) if chat is not None else None
    _require_terminal()
    from llmtui.app.launch import run  # noqa: PLC0415 - the only place that loads Textual

    for run_id in run(services, model=model, chat=path):
        output.note(f"the run was interrupted; go on with: llmtui run --resume {run_id}")


def _check_model(services: "Services", word: str) -> None:
    """Refuse a model that cannot be opened before the screen changes; the word may also be a mistyped command."""
    try:
        services.catalogue.resolve(word)
    except UsageError as error:
        near = difflib.get_close_matches(word, COMMANDS, n=2)
        if not near:
            raise
        commands = " or ".join(f"`llmtui {name}`" for name in near)
        raise UsageError(error.title, cause=error.cause, remedy=f"Did you mean {commands}? {error.remedy}") from error


def _require_terminal() -> None:
    if not output.is_interactive():
        raise UsageError(
            "llmtui needs a terminal",
            cause="Standard input or standard output is not one",
            remedy='For pipes and scripts there is `llmtui ask "…"`',
        )
    if os.environ.get("TERM") == "dumb":
        raise UsageError(
            "llmtui needs a terminal that can move its cursor",
            cause="TERM is `dumb`",
            remedy='Set TERM to what your terminal is, or use `llmtui ask "…"`',
        )

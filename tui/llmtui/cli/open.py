"""`llmtui [MODEL]`: the terminal program."""

import difflib
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from llmtui.cli import output
from llmtui.cli.registry import COMMANDS
from llmtui.errors import UsageError

if TYPE_CHECKING:
    from llmtui.services.wiring import Services


def runtime_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Options of everything that loads a model."""
    for option in (
        click.option("--threads", type=click.IntRange(1, 1024), metavar="N", help="Threads of decode."),
        click.option("--context", type=click.IntRange(min=16), metavar="N", help="Context size in tokens."),
    ):
        function = option(function)
    return function


def open_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Options of the terminal program, which stand before or behind MODEL."""
    chat = click.option("--chat", metavar="ID|PATH", help="Reopen a past chat and continue it.")
    return chat(runtime_options(function))


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
    chat, context, threads = (
        options[name] if options.get(name) is not None else before.get(name) for name in ("chat", "context", "threads")
    )
    from llmtui.services.setup import prepare  # noqa: PLC0415 - `--help` loads no service

    services = prepare(context=context, threads=threads)
    if model is not None:
        _check_model(services, model)
    path = _find_chat(services, chat) if chat is not None else None
    _require_terminal()
    from llmtui.app.app import LlmtuiApp  # noqa: PLC0415 - the only place that loads Textual

    LlmtuiApp(services, model=model, chat=path).run()


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


def _find_chat(services: "Services", word: str) -> Path:
    """The transcript of a chat, by its file or by its id or the id's unique beginning."""
    path = Path(word).expanduser()
    if path.is_file():
        return path
    from llmtui.services.chats import past_chats  # noqa: PLC0415 - needed for this option only

    chats = past_chats(services.folders)
    found = [chat for chat in chats if chat.id == word] or [chat for chat in chats if chat.id.startswith(word)]
    if len(found) == 1:
        return Path(found[0].path)
    if found:
        raise UsageError(
            f"Several chats begin with `{word}`",
            cause=", ".join(chat.id for chat in found[:5]),
            remedy="Write more of the id",
        )
    newest = ", ".join(chat.id for chat in chats[:5])
    raise UsageError(
        f"There is no chat `{word}`",
        cause=f"The newest are {newest}" if newest else f"No chat is kept in {services.folders.chats_dir}",
        remedy="Give an id or the path of a transcript, or open the history inside llmtui",
    )


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

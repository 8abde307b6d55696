"""`llmtui [MODEL]`: the terminal program."""

import difflib
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from llmtui.cli import output
from llmtui.cli.registry import COMMANDS
from llmtui.domain.limits import MAX_INT
from llmtui.errors import UsageError

if TYPE_CHECKING:
    from llmtui.services.wiring import Services


def runtime_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Options of everything that loads a model."""
    for option in (
        click.option("--threads", type=click.IntRange(1, 1024), metavar="N", help="Threads of decode."),
        click.option("--context", type=click.IntRange(16, MAX_INT), metavar="N", help="Context size in tokens."),
    ):
        function = option(function)
    return function


def open_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Options of the terminal program, which stand before or behind MODEL."""
    chat = click.option("--chat", metavar="ID|PATH", help="Reopen a past chat and continue it.")
    profile = click.option("-p", "--profile", metavar="PROFILE", help="A name from `llmtui profiles`, or a .yaml file.")
    return profile(chat(runtime_options(function)))


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
    chat, context, threads, profile = (
        options[name] if options.get(name) is not None else before.get(name)
        for name in ("chat", "context", "threads", "profile")
    )
    from llmtui.services.chats import find_chat  # noqa: PLC0415 - `--help` loads no service
    from llmtui.services.setup import prepare  # noqa: PLC0415

    services = prepare(context=context, threads=threads, profile=profile)
    if model is not None:
        _check_model(services, model)
    path = find_chat(services.folders, chat) if chat is not None else None
    _require_terminal()
    from llmtui.app.launch import run  # noqa: PLC0415 - the only place that loads Textual

    run(services, model=model, chat=path)


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

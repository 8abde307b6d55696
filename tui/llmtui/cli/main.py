"""`llmtui`: the first word chooses a command, or names the model that the terminal program opens."""

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import click

import llmtui
from llmtui.cli import output
from llmtui.cli.failures import exit_code_of
from llmtui.cli.open import open_options, open_tui
from llmtui.cli.registry import COMMANDS

EXAMPLES = """\
\b
Examples:
  llmtui                              chat with the default model
  llmtui demo                         chat with the model that comes along
  llmtui models/qwen2-0_5b-q4_0.gguf  chat with a file
  llmtui ask "What is a KV cache?"    one answer, without the terminal program
  git diff | llmtui ask "Review this" a question about a text

MODEL is `demo`, a path to a .gguf file, or a name from `llmtui models` (a unique beginning is enough). A model named
like a command is opened by its path.

Exit codes: 0 done; 1 some samples failed, a check did not pass, or a file cannot be written; 2 usage; 3 model or engine
error, or a defect of llmtui; 130 interrupted. LLMTUI_DEBUG=1 adds the traceback to an error."""


class Program(click.Group):
    """A group whose commands are imported when used, and whose default command takes a model's name."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Every command, in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """Import the module of a command; None for a word that is none."""
        if cmd_name not in COMMANDS:
            return None
        command = import_module(COMMANDS[cmd_name][0]).command
        return command if isinstance(command, click.Command) else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """A word that is no command is the model to open, and stays in the arguments."""
        if args[0] in COMMANDS:
            return super().resolve_command(ctx, args)
        return open_tui.name, open_tui, ["--", *args] if args[0].startswith("-") else args

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Both ways to call the program."""
        formatter.write_usage(ctx.command_path, "[OPTIONS] [MODEL]")
        formatter.write_usage(ctx.command_path, "COMMAND [ARGS]...", prefix="       ")

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        """The table of commands, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(
    cls=Program,
    name="llmtui",
    invoke_without_command=True,
    epilog=EXAMPLES,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@open_options
@click.version_option(llmtui.__version__, prog_name="llmtui", message="%(prog)s %(version)s")
@click.pass_context
def program(ctx: click.Context, /, **options: Any) -> None:
    """Chat with a local language model in the terminal, with a live profiler beside it."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(open_tui)
    elif ctx.invoked_subcommand in COMMANDS:
        given = [f"--{name.replace('_', '-')}" for name, value in options.items() if value is not None]
        if given:
            raise click.UsageError(f"{', '.join(given)} must stand behind `{ctx.invoked_subcommand}`", ctx)


def run(args: Sequence[str]) -> int:
    """Run the command line `args` and return its exit code; every error is told on standard error."""
    output.prepare_streams()
    stdout = sys.stdout
    try:
        result = program.main(list(args), prog_name="llmtui", standalone_mode=False)
    except SystemExit:
        if sys.stdout is stdout:
            raise
        return 0  # `--help | head -1`: click wraps the stream whose reader went away, and would exit with 1
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the one place where errors become words
        return exit_code_of(error)
    return result if isinstance(result, int) else 0


def main() -> None:
    """Entry point of the `llmtui` command."""
    sys.exit(run(sys.argv[1:]))

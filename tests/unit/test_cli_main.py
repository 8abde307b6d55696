"""The words of the command line: which command, which error, which exit code."""

from collections.abc import Callable

import click
import pytest

import llmtui
from llmtui.cli import failures, main
from llmtui.cli import open as opening
from llmtui.cli.output import ReaderGoneError
from llmtui.cli.registry import COMMANDS
from llmtui.errors import ModelError, UsageError

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> Run:
    monkeypatch.setenv("LLMTUI_CONFIG_DIR", f"{tmp_path}/config")
    monkeypatch.setenv("LLMTUI_DATA_DIR", f"{tmp_path}/data")
    monkeypatch.delenv("LLMTUI_DEBUG", raising=False)

    def call(*args: str) -> tuple[int, str, str]:
        code = main.run(args)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


def test_version_goes_to_standard_output(run: Run) -> None:
    assert run("--version") == (0, f"llmtui {llmtui.__version__}\n", "")


@pytest.mark.parametrize("args", [("--help",), ("-h",), ("demo", "-h"), ("--context", "512", "demo", "--help")])
def test_help_names_every_command_and_says_how_to_call_it(run: Run, args: tuple[str, ...]) -> None:
    code, out, err = run(*args)
    assert (code, err) == (0, "")
    assert out.startswith("Usage: llmtui [OPTIONS] [MODEL]\n       llmtui COMMAND [ARGS]...\n")
    for name, (_, text) in COMMANDS.items():
        assert f"  {name}" in out
        assert text in out
    assert "Examples:" in out
    assert "--chat" in out
    assert "Exit codes:" in out


@pytest.mark.parametrize(
    "args", [("ask",), ("models",), ("models", "show"), ("prompts",), ("prompts", "import"), ("doctor",)]
)
@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_every_command_has_help(run: Run, args: tuple[str, ...], flag: str) -> None:
    code, out, err = run(*args, flag)
    assert (code, err) == (0, "")
    assert out.startswith(f"Usage: llmtui {' '.join(args)} ")


def test_the_table_of_commands_agrees_with_their_own_words() -> None:
    for name, (_, text) in COMMANDS.items():
        command = main.program.get_command(click.Context(main.program), name)
        assert command is not None
        assert command.name == name
        assert (command.help or "").startswith(text.removesuffix("."))


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("ask", "--nope"), ["No such option", "llmtui ask --help"]),
        (("ask", "--temperature", "nan", "x"), ["not a finite number"]),
        (("ask", "--temperature", "-1", "x"), ["--temperature"]),
        (("ask", "--top-p", "1.5", "x"), ["--top-p"]),
        (("ask", "--max-tokens", "0", "x"), ["--max-tokens"]),
        (("ask", "--seed", "-3", "x"), ["--seed"]),
        (("ask", "--temperature", "inf", "x"), ["--temperature"]),
        (("ask", "--repeat-penalty", "101", "x"), ["--repeat-penalty"]),
        (("ask", "--top-k", "99999999999999999999999", "x"), ["--top-k"]),
        (("ask", "--max-tokens", "99999999999999999999999", "x"), ["--max-tokens"]),
        (("ask", "--context", "99999999999999999999999", "x"), ["--context"]),
        (("--context", "99999999999999999999999"), ["--context"]),
        (("--chat", "~nosuchuser/x"), ["There is no chat `~nosuchuser/x`"]),
        (("--chat", "x" * 5000), ["There is no chat `xxx", "…`"]),
        (("ask", "--stop", "", "x"), ["--stop", "empty"]),
        (("ask", "one", "two"), ["unexpected extra argument"]),
        (("--context", "3"), ["--context", "16<=x<=2147483647", "llmtui --help"]),
        (("--context", "64", "ask", "x"), ["--context must stand behind `ask`"]),
        (("--kv-type", "q8_0", "ask", "x"), ["--kv-type must stand behind `ask`"]),
        (("ask", "--kv-type", "q9", "x"), ["--kv-type", "'q9'", "q8_0, q5_1"]),
        (("run", "--resume", "a", "--kv-type", "q8_0,f16"), ["leave out --kv-type-k, --kv-type-v"]),
        (("demo", "--nope"), ["No such option", "usage: llmtui [OPTIONS] [MODEL]", "See `llmtui --help`"]),
        (("models", "show"), ["Missing argument 'MODEL'", "llmtui models show"]),
        (("models", "shwo"), ["shwo"]),
    ],
)
def test_wrong_words_are_usage_errors(run: Run, args: tuple[str, ...], words: list[str]) -> None:
    code, out, err = run(*args)
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    for word in words:
        assert word in err


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("doctr",), ["doctr", "Did you mean `llmtui doctor`?", "llmtui models"]),
        (("demoo",), ["demoo", "near matches: demo"]),
        (("./none.gguf",), ["none.gguf"]),
    ],
)
def test_an_unknown_first_word_lists_commands_and_models(run: Run, args: tuple[str, ...], words: list[str]) -> None:
    code, out, err = run(*args)
    assert out == ""
    assert code == (3 if args == ("./none.gguf",) else 2)
    for word in words:
        assert word in err


@pytest.mark.parametrize("args", [(), ("demo",), ("--threads", "1", "demo")])
def test_without_a_terminal_the_way_to_ask_is_shown(run: Run, args: tuple[str, ...]) -> None:
    code, out, err = run(*args)
    assert (code, out) == (2, "")
    assert "needs a terminal" in err
    assert "llmtui ask" in err


def test_a_dumb_terminal_is_refused(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening.output, "is_interactive", lambda: True)
    monkeypatch.setenv("TERM", "dumb")
    code, _, err = run()
    assert code == 2
    assert "TERM is `dumb`" in err


def test_an_unknown_chat_is_refused(run: Run) -> None:
    code, _, err = run("--chat", "2001-nothing")
    assert code == 2
    assert "There is no chat `2001-nothing`" in err


def test_options_stand_before_or_behind_the_model(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[dict[str, object]] = []

    def prepare(**given: object) -> None:
        seen.append(given)
        raise UsageError("stop here", remedy="-")

    monkeypatch.setattr("llmtui.services.setup.prepare", prepare)
    run("--context", "512", "--threads", "3", "demo", "--context", "1024")
    run("demo", "--threads", "2")
    run("--threads", "1", "-p", "poet", "--kv-type", "q8_0")
    run("--kv-type", "q8_0", "demo", "--kv-type", "q4_0,f16", "--flash-attention", "on", "--gpu-layers", "0")
    assert seen == [
        {"context": 1024, "threads": 3, "profile": None},
        {"threads": 2, "profile": None},
        {"threads": 1, "kv_type_k": "q8_0", "kv_type_v": "q8_0", "profile": "poet"},
        {"gpu_layers": 0, "flash_attention": "on", "kv_type_k": "q4_0", "kv_type_v": "f16", "profile": None},
    ]


def test_an_error_is_three_lines_of_safe_text(capsys: pytest.CaptureFixture[str]) -> None:
    error = ModelError("Cannot read \x1b[31mx", cause="a\nb", remedy="Try \x07again")
    assert failures.exit_code_of(error) == 3
    assert capsys.readouterr().err == "error: Cannot read ␛[31mx\n  a b\n  Try ␇again\n"


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (KeyboardInterrupt(), 130, "interrupted"),
        (click.Abort(), 130, "interrupted"),
        (ZeroDivisionError("by zero"), 3, "LLMTUI_DEBUG=1"),
    ],
)
def test_other_ends_have_their_codes(
    error: BaseException, code: int, words: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LLMTUI_DEBUG", raising=False)
    assert failures.exit_code_of(error) == code
    err = capsys.readouterr().err
    assert words in err
    assert "Traceback" not in err


def test_debugging_shows_the_traceback(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLMTUI_DEBUG", "1")
    with pytest.raises(ZeroDivisionError) as caught:
        _ = 1 / 0
    failures.exit_code_of(caught.value)
    assert "Traceback" in capsys.readouterr().err


def test_a_reader_that_went_away_is_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert failures.exit_code_of(ReaderGoneError()) == 0
    assert capsys.readouterr().err == ""

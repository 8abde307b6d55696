"""What each way into the program loads: start-up is a feature, and native code stays in the worker."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

import llmtui

HEAVY = {
    *("textual", "rich", "llama_cpp", "numpy", "psutil", "pynvml", "jinja2", "markdown_it", "pygments", "asyncio"),
    *("platformdirs", "tomllib", "msgspec", "httpx", "tiktoken", "regex"),
}
ENGINES = {"llmtui.engines", "llmtui.store", "llmtui.services", "llmtui.probes", "llmtui.app"}
RUN = """
import json, sys
from llmtui.cli.main import run
code = run(sys.argv[1:])
sys.stderr.write("\\n" + json.dumps([code, sorted(sys.modules)]))
"""


def loaded(code: str, *args: str, folder: Path) -> tuple[int, set[str]]:
    """Exit code and modules of a fresh interpreter that ran `code`."""
    environ = {"LLMTUI_DATA_DIR": str(folder / "data"), "LLMTUI_CONFIG_DIR": str(folder / "config"), "PATH": "/usr/bin"}
    done = subprocess.run(
        [sys.executable, "-c", code, *args],
        capture_output=True,
        text=True,
        check=True,
        env=environ,
        stdin=subprocess.DEVNULL,
    )
    status, modules = json.loads(done.stderr.splitlines()[-1])
    return status, set(modules)


@pytest.mark.parametrize(
    "args",
    [
        ["--version"],
        ["--help"],
        ["-h"],
        ["ask", "--help"],
        ["models", "--help"],
        ["models", "quantize", "--help"],
        ["doctor", "--help"],
        ["prompts", "--help"],
        ["profiles", "--help"],
        ["run", "--help"],
        ["compare", "--help"],
    ],
)
def test_help_and_version_load_nothing_heavy(args: Sequence[str], tmp_path: Path) -> None:
    code, modules = loaded(RUN, *args, folder=tmp_path)
    assert code == 0
    assert not modules & (HEAVY | ENGINES)


def test_words_that_are_wrong_load_nothing_heavy(tmp_path: Path) -> None:
    code, modules = loaded(RUN, "ask", "--nope", folder=tmp_path)
    assert code == 2
    assert not modules & (HEAVY | ENGINES)


def test_ask_never_loads_textual_or_llama_cpp(tmp_path: Path) -> None:
    code, modules = loaded(RUN, "ask", "-m", "./none.gguf", "hello", folder=tmp_path)
    assert code == 3
    assert not modules & {"textual", "rich", "llama_cpp", "numpy", "jinja2", "httpx", "llmtui.app"}


def test_ask_that_answers_never_loads_textual_or_llama_cpp(tmp_path: Path) -> None:
    code, modules = loaded(RUN, "ask", "-m", "demo", "--max-tokens", "1", "hello", folder=tmp_path)
    assert code == 0
    assert not modules & {"textual", "rich", "llama_cpp", "numpy", "jinja2", "httpx", "llmtui.app"}


def test_models_never_loads_textual_or_llama_cpp(tmp_path: Path) -> None:
    code, modules = loaded(RUN, "models", folder=tmp_path)
    assert code == 0
    assert not modules & {"textual", "rich", "llama_cpp", "numpy", "jinja2", "psutil", "httpx", "llmtui.app"}


def test_prompts_never_loads_textual_or_llama_cpp(tmp_path: Path) -> None:
    code, modules = loaded(RUN, "prompts", folder=tmp_path)
    assert code == 0
    assert not modules & {"textual", "rich", "llama_cpp", "numpy", "jinja2", "psutil", "httpx", "llmtui.app"}


def test_the_terminal_program_never_loads_llama_cpp(tmp_path: Path) -> None:
    code, modules = loaded(
        "import json, sys, llmtui.app.app, llmtui.services.setup as setup\n"
        "llmtui.app.app.LlmtuiApp(setup.prepare())\n"
        "sys.stderr.write(json.dumps([0, sorted(sys.modules)]))",
        folder=tmp_path,
    )
    assert code == 0
    assert "textual" in modules
    assert not modules & {"llama_cpp", "numpy", "jinja2", "pynvml", "httpx"}


def test_the_domain_loads_the_standard_library_and_msgspec_only(tmp_path: Path) -> None:
    names = sorted(path.stem for path in Path(llmtui.__path__[0], "domain").glob("[a-z]*.py"))
    imports = ", ".join(f"llmtui.domain.{name}" for name in names)
    # Some systems' Python loads modules of its own, such as sitecustomize, before any program: those do not count.
    _, modules = loaded(
        f"import sys\nbefore = set(sys.modules)\nimport json, llmtui.errors, {imports}\n"
        "sys.stderr.write(json.dumps([0, sorted(set(sys.modules) - before)]))",
        folder=tmp_path,
    )
    tops = {name.partition(".")[0] for name in modules}
    foreign = {name for name in tops if name not in sys.stdlib_module_names and not name.startswith("_")}
    assert foreign - {"typing_extensions"} == {"llmtui", "msgspec"}
    own = {name.split(".")[1] for name in modules if name.startswith("llmtui.")}
    assert own == {"domain", "errors"}

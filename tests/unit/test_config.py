"""The configuration: defaults without a file, and errors that name file, line and field."""

import os
from pathlib import Path

import pytest

from llmtui.domain.settings import Runtime, Sampling, Server
from llmtui.errors import ConfigError
from llmtui.store.config import Config, load_config
from llmtui.store.paths import Folders


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    (tmp_path / "config").mkdir()
    return Folders(config_dir=tmp_path / "config", data_dir=tmp_path / "data", cache_dir=tmp_path / "cache")


def test_no_file_means_defaults(folders: Folders) -> None:
    assert load_config(folders) == Config()
    assert Config().model_folders == ("./models",)


def test_every_part_is_read(folders: Folders) -> None:
    folders.config_file.write_text(
        """\ufeffmodel_folders = ["~/models", "/srv/gguf"]
discover = ["ollama"]
webui_folder = "~/webui"
default_model = "qwen2"
theme = "nord"
system = "你是助手"
[keymap]
open_models = "f5"
[sampling]
temperature = 1
stop = ["###"]
[runtime]
context = 4096
[servers.box]
url = "http://10.0.0.2:8080/v1"
key_env = "BOX_KEY"
headers = { X-Team = "a" }
models = ["qwen*"]
verify = "~/ca.pem"
standard_only = true
""",
        encoding="utf-8",
    )

    assert load_config(folders) == Config(
        model_folders=("~/models", "/srv/gguf"),
        discover=("ollama",),
        webui_folder="~/webui",
        default_model="qwen2",
        theme="nord",
        system="你是助手",
        keymap={"open_models": "f5"},
        sampling=Sampling(temperature=1.0, stop=("###",)),
        runtime=Runtime(context=4096),
        servers={
            "box": Server(
                url="http://10.0.0.2:8080/v1",
                key_env="BOX_KEY",
                headers={"X-Team": "a"},
                models=("qwen*",),
                verify="~/ca.pem",
                standard_only=True,
            )
        },
    )


@pytest.mark.parametrize(
    ("text", "cause", "remedy"),
    [
        ('theme = "x"\n\n[sampling]\ntemprature = 1', "line 4: `sampling.temprature`: unknown", "`temperature`"),
        ('modelfolders = ["x"]', "line 1: `modelfolders`: unknown", "`model_folders`"),
        ("# a comment\nzzz = 1", "line 2: `zzz`: unknown", "known here: model_folders"),
        ("[sampling]\ntop_k = -1", "line 2: `sampling.top_k`: Expected `int` >= 0", "Correct"),
        ("sampling = { top_p = 2 }", "line 1: `sampling.top_p`: Expected `float` <= 1", "Correct"),
        ("sampling.seed = 'x'", "line 1: `sampling.seed`: Expected `int", "Correct"),
        ("[runtime]\ncontext = 1", "line 2: `runtime.context`: Expected `int` >= 16", "Correct"),
        ("[pool]\nmodels = 2\nmemory = 'much'", "line 1: `pool`: 'much' is not a size; write it like 8GiB", "Correct"),
        ("[pool]\nmodels = 0", "line 2: `pool.models`: Expected `int` >= 1", "Correct"),
        ("[pool]\nmemory = nan", "line 2: `pool.memory`: Expected `float`", "Correct"),
        ("[keymap]\na = 'f1'\n'b.c' = 3", "line 3: `keymap.b.c`: Expected `str`", "Correct"),
        ("model_folders = ['a',\n 3]", "line 1: `model_folders`: Expected `str`", "Correct"),
        ("discover = ['olama']", "line 1: `discover`: Invalid enum value 'olama'", "lmstudio, huggingface"),
        ("[sampling]\ntemperature = inf", "line 2: `sampling.temperature`: Expected `float` <= 100", "Correct"),
        ("[sampling]\ntemperature = nan", "line 2: `sampling.temperature`: Expected `float`", "Correct"),
        ("[sampling]\nrepeat_penalty = inf", "line 2: `sampling.repeat_penalty`: Expected `float` <= 100", "Correct"),
        ("[sampling]\nmax_tokens = 2147483648", "line 2: `sampling.max_tokens`: Expected `int` <= ", "Correct"),
        ("[runtime]\ncontext = 99999999999999999999999", "line 2: `runtime.context`: Expected `int` <= ", "Correct"),
        ("[runtime]\nbatch = 65537", "line 2: `runtime.batch`: Expected `int` <= 65536", "Correct"),
        ("\nmodel_folders = ['a', \"b\\u0000c\"]", "line 2: `model_folders`: a path cannot hold", "Correct"),
        ('default_model = "~\\u0000"', "line 1: `default_model`: a path cannot hold", "Correct"),
        ('webui_folder = "w\\u0000"', "line 1: `webui_folder`: a path cannot hold", "Correct"),
        (f"theme = {'[' * 5000}", "nests too deeply", "Correct"),
        (f"[sampling]\ntop_k = {'9' * 5000}", "too long", "Correct"),
        ("[zervers]\nx = 1", "line 1: `zervers`: unknown", "`servers`"),
        ("[servers.a]\nurll = 'x'", "line 2: `servers.a.urll`: unknown", "`url`"),
        ("[servers.a]\nkey_env = 'X'", "line 1: `servers.a`: `url` is missing", "Correct"),
        (
            "[servers.a]\nurl = 'http://h'\nurls = ['http://i']",
            "line 1: `servers.a`: `url` and `urls` are both",
            "Correct",
        ),
        ("[servers.a]\nurls = []", "line 1: `servers.a`: `url` is missing, and so is `urls`", "Correct"),
        ("[servers.a]\nurls = ['http://h/v1', 'h']", "line 1: `servers.a`: 'h' is not a URL", "Correct"),
        ("[servers.a]\nurls = ['http://h', 'http://h/']", "line 1: `servers.a`: 'http://h/' stands twice", "Correct"),
        (
            "[servers.a]\nurls = ['http://h']\nkind = 'ollama'",
            "`servers.a`: Ollama's own API takes one `url`",
            "Correct",
        ),
        ("[servers.a]\nurls = 'http://h'", "line 2: `servers.a.urls`: Expected `array`", "Correct"),
        ("[servers.a]\nurl = 'host:80'", "line 1: `servers.a`: 'host:80' is not a URL", "Correct"),
        ("[servers.a]\nurl = 'http://h:x/v1'", "line 1: `servers.a`: Port could not be cast", "Correct"),
        ("[servers.a]\nurl = 'http://u:p@h/v1'", "line 1: `servers.a`: the URL holds a name or password", "Correct"),
        ("[servers.a]\nurl = 'http://h'\nkey_env = 'sk-123'", "line 1: `servers.a`: `key_env` is the name", "Correct"),
        ("[servers.a]\nurl = 'http://h'\nheaders = {Authorization = 'x'}", "would hold a secret", "Correct"),
        ("[servers.a]\nurl = 'http://h'\nheaders = {\"a b\" = 'x'}", "cannot be sent as a header", "Correct"),
        ("[servers.\"a/b\"]\nurl = 'http://h'", "'a/b' cannot name a server", "Correct"),
        ("theme = \n", "line 1, column 9: Invalid value", "Correct the line"),
        ("theme = 'a'\n[sampling", "line 2", "Correct the line"),
    ],
)
def test_a_mistake_is_found(folders: Folders, text: str, cause: str, remedy: str) -> None:
    folders.config_file.write_text(text, encoding="utf-8")

    with pytest.raises(ConfigError) as caught:
        load_config(folders)

    assert str(folders.config_file) in caught.value.cause
    assert cause in caught.value.cause
    assert remedy in caught.value.remedy
    assert caught.value.exit_code == 2


def test_bytes_that_are_not_utf8(folders: Folders) -> None:
    folders.config_file.write_bytes(b"theme = 'a'\nsystem = '\xc4\xe3'")

    with pytest.raises(ConfigError, match="line 2: byte 0xc4"):
        load_config(folders)


def test_a_folder_in_place_of_the_file(folders: Folders) -> None:
    folders.config_file.mkdir()

    with pytest.raises(ConfigError, match="folder, not a file"):
        load_config(folders)


def test_a_pipe_in_place_of_the_file_is_not_waited_for(folders: Folders) -> None:
    os.mkfifo(folders.config_file)

    with pytest.raises(ConfigError, match="not a regular file"):
        load_config(folders)


def test_a_file_that_cannot_be_read(folders: Folders, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_path: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("llmtui.store.config.read_regular", refuse)

    with pytest.raises(ConfigError, match="Permission denied"):
        load_config(folders)


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (
            'flash_attention = "off"\nkv_type_v = "q8_0"',
            ["line 1", "`runtime`", "`kv_type_v: q8_0` needs flash attention"],
        ),
        ('batch = 1\nkv_type_k = "q8_1"', ["line 3", "`runtime.kv_type_k`", "'q8_1'", "Choose one of f32, f16"]),
        ('flash_attention = "yes"', ["line 2", "`runtime.flash_attention`", "auto, on, off"]),
    ],
)
def test_a_cache_that_cannot_be_is_refused_with_its_line(folders: Folders, lines: str, told: list[str]) -> None:
    folders.config_file.write_text(f"[runtime]\n{lines}\n")
    with pytest.raises(ConfigError) as caught:
        load_config(folders)
    assert all(words in str(caught.value) for words in [str(folders.config_file), *told]), str(caught.value)

"""A user's template file, as it may lie on a disk."""

import os
from pathlib import Path

import pytest

from llmtui.errors import ConfigError
from llmtui.services.templates import read_template


def test_a_pipe_in_place_of_a_template_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jinja")
    with pytest.raises(ConfigError, match="cannot be read") as raised:
        read_template(tmp_path / "pipe.jinja")
    assert "not a regular file" in raised.value.cause


def test_an_error_in_one_line_reads_as_sentences() -> None:
    error = ConfigError("The template cannot be read", cause="my.jinja: it is a folder", remedy="Check the path.")
    assert str(error) == "The template cannot be read: my.jinja: it is a folder. Check the path."
    assert str(ConfigError("It is gone", remedy="Look for it")) == "It is gone. Look for it."

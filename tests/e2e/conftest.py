"""A user of one's own for every test: empty HOME, empty folders."""

from collections.abc import Iterator

import pytest
from pty_program import user_folders


@pytest.fixture
def user() -> Iterator[dict[str, str]]:
    with user_folders() as env:
        yield env

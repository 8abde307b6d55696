"""Fixtures of the tests of conversations."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from unit.session_bench import READING, Bench

from llmtui.services.sandbox.access import Absence, probe
from llmtui.services.sandbox.bubblewrap import Bubblewrap
from llmtui.store.paths import Folders


@pytest.fixture
def real_host() -> None:
    """Asked for by the tests that look at this machine."""


@pytest.fixture
def quiet_host(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if "real_host" not in request.fixturenames:
        monkeypatch.setattr("llmtui.probes.host.read_host", lambda _pid: READING)


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(config_dir=tmp_path / "c", data_dir=tmp_path / "d", cache_dir=tmp_path / "cache")


@pytest.fixture
async def bench(folders: Folders) -> AsyncIterator[Bench]:
    made = Bench(folders)
    yield made
    for session in made.sessions:
        await session.close()
    await made.host.close()


@pytest.fixture(scope="session")
def sandbox() -> Bubblewrap:
    """The sandbox of this machine; tests of it are skipped with the reason where there is none."""
    found = probe()
    if isinstance(found, Absence):
        pytest.skip(f"{found.cause}. {found.remedy}")
    return found

"""What runs look like: the form, a grid of the past and a live one, an answer, with Chinese names."""

import pytest
from pilot.conftest import Stage
from snapshots.test_screens import SIZES, Sight, after, sight
from unit.grid_bench import MODELS, write_grid

from llmtui.app.app import LlmtuiApp
from llmtui.domain.prompt_set import SCHEMA, Header
from llmtui.services.prompt_sets import SetSummary
from llmtui.services.runs.events import ModelLoading, SampleBegun

__all__ = ["sight"]
SETS = [
    SetSummary(
        name=name,
        path=f"/prompts/{name}.yaml",
        origin="shipped",
        header=Header(schema=SCHEMA, name=name, title={"en": english, "zh": chinese}),
        samples=samples,
        scorers={"verbatim": samples},
    )
    for name, english, chinese, samples in (
        ("classical-chinese", "Classical Chinese", "文言文", 26),
        ("coding", "Coding", "编程", 34),
        ("li-bai", "Li Bai", "李白", 34),
        ("弱智吧", "Trick riddles", "弱智吧的段子", 28),
    )
] + [SetSummary(name="mine", path="/m.yaml", origin="user", problem="$.samples[2]: give exactly one of `input`")]


@pytest.fixture(autouse=True)
def _known_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    """The set of the past run is gone; what is said of that, and when, is tested elsewhere."""
    monkeypatch.setattr("llmtui.services.runs.open_run.OpenRun.rows", lambda run: (list(run.grid.rows), None))


async def grid(app: LlmtuiApp, stage: Stage) -> None:
    """Open the grid of a run of the past."""
    await app.chat.open_run(write_grid(stage.folders, rows=20))


def opened(stage: Stage, *keys: str, words: str):
    """The grid, and then keys."""

    async def prepare(pilot) -> None:
        await after(words="")(pilot)
        await grid(pilot.app, stage)
        await after(*keys, words=words)(pilot)

    return prepare


@pytest.mark.parametrize("size", SIZES)
def test_the_form(snap_compare, sight: Sight, monkeypatch: pytest.MonkeyPatch, size: str):
    monkeypatch.setattr("llmtui.services.prompt_sets.list_sets", lambda _: iter(SETS))
    monkeypatch.setattr("llmtui.services.sandbox.access.probe", lambda: None)
    keys = ("ctrl+r", *"李白", "enter", "tab", "down", "down", "enter", "tab", "tab", "2", "tab", "tab", "x")
    ready = after(*keys, words="limit: a whole number")
    assert snap_compare(sight.app(), terminal_size=SIZES[size], run_before=ready)


@pytest.mark.parametrize("theme", ["llmtui-dark", "llmtui-light"])
@pytest.mark.parametrize("size", SIZES)
def test_a_grid_of_the_past(snap_compare, stage: Stage, sight: Sight, size: str, theme: str):
    ready = opened(stage, "down", "right", words="waits to be scored")
    assert snap_compare(sight.app(theme=theme), terminal_size=SIZES[size], run_before=ready)


@pytest.mark.parametrize("size", SIZES)
def test_an_answer(snap_compare, stage: Stage, sight: Sight, size: str):
    ready = opened(stage, "enter", "m", words="what it came from")
    assert snap_compare(sight.app(), terminal_size=SIZES[size], run_before=ready)


def test_a_live_grid(snap_compare, stage: Stage, sight: Sight):
    def goes_on(app: LlmtuiApp) -> None:
        run = app.screen.run
        app.chat.runs.run = run
        fold = run._fold
        fold.take(ModelLoading(MODELS[2], "reading weights", 0.42))
        fold.take(SampleBegun(MODELS[2], "li-bai", "静夜思-00", 0))
        fold.queue(("li-bai", "静夜思-03", MODELS[1], 0))
        fold.skip(("li-bai", "静夜思-02", MODELS[2], 0))

    async def prepare(pilot) -> None:
        await opened(stage, words="✓")(pilot)
        await after(state=goes_on, words="running")(pilot)
        pilot.app.chat.runs.run = None

    assert snap_compare(sight.app(), terminal_size=(80, 24), run_before=prepare)

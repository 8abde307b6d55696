"""The list of models: pins, orders, details, what fits, and thousands of rows."""

import threading

import msgspec
from pilot.conftest import Stage

from llmtui.app.screens.model_picker import ModelPicker
from llmtui.app.widgets.row_list import RowList
from llmtui.app.widgets.table import line
from llmtui.domain.fit import Room
from llmtui.domain.models import ModelInfo
from llmtui.services.models import Catalogue


async def test_pins_survive_and_show_in_the_list(stage: Stage):
    stage.add_model("alpha")
    async with stage.run() as screen:
        await screen.pilot.press("ctrl+o")
        await screen.see("2 models")
        await screen.pilot.press("down", "f2")
        await screen.see("alpha is pinned: Alt+1")
        await screen.pilot.press("f2")
        await screen.see("alpha is no longer pinned")
        await screen.pilot.press("f2", "escape", "ctrl+o")
        await screen.see("2 models")
        rows = screen.app.screen.query_one(RowList)
        assert [row.cells[0] for row in rows.rows] == ["●", " 1"]


async def test_the_order_is_kept_for_the_next_time(stage: Stage):
    stage.add_model("alpha")
    (stage.models / "broken.gguf").write_bytes(b"no model")
    async with stage.run() as screen:
        await screen.pilot.press("ctrl+o")
        await screen.see("3 models")
        assert "model ↓" in screen.text
        await screen.pilot.press("f3")
        await screen.see("↓ size")
        await screen.until((stage.folders.data_dir / "state.json").exists)
        assert screen.app.screen.marked.name == "demo"
        assert screen.app.screen.query_one(RowList).rows[-1].key == "broken"
    async with stage.run() as screen:
        await screen.pilot.press("ctrl+o")
        await screen.see("↓ size")


async def test_details_are_read_behind_the_list_and_say_why_a_model_is_broken(stage: Stage, monkeypatch):
    stage.add_model("alpha")
    (stage.models / "broken.gguf").write_bytes(b"no model")
    go_on, details = threading.Event(), Catalogue.details

    def slow(self: Catalogue, info: ModelInfo):
        assert go_on.wait(30)
        return details(self, info)

    monkeypatch.setattr(Catalogue, "details", slow)
    async with stage.run(size=(80, 24)) as screen:
        await screen.pilot.press("ctrl+o")
        await screen.see("3 models")
        assert "takes" not in screen.text
        await screen.pilot.press("f4")
        await screen.see("takes")
        await screen.pilot.press("down")
        await screen.see("alpha.gguf")
        go_on.set()
        await screen.until(lambda: "alpha" in screen.app.screen._known)
        await screen.pilot.press(*["shift+down"] * 12)
        await screen.see("tensors")
        await screen.pilot.press("down")
        await screen.see("problem")
        assert "not a GGUF file" in screen.text
        await screen.pilot.press("f4")
        await screen.until(lambda: "problem" not in screen.text)


async def test_details_stand_open_beside_the_list_where_there_is_room(stage: Stage):
    async with stage.run(size=(140, 40)) as screen:
        await screen.pilot.press("ctrl+o")
        await screen.see("weights")
        await screen.see("template")
        await screen.pilot.press("f4")
        await screen.until(lambda: "template" not in screen.text)
    async with stage.run(size=(140, 40)) as screen:
        await screen.pilot.press("ctrl+o")
        await screen.see("1 model")
        assert "template" not in screen.text


async def test_a_model_that_does_not_fit_is_told_before_it_is_loaded(stage: Stage, monkeypatch):
    monkeypatch.setattr("llmtui.services.fits.read_room", lambda *_: Room(available_bytes=1, total_bytes=2))
    async with stage.run(size=(140, 40)) as screen:
        await screen.pilot.press("ctrl+o")
        await screen.see("no: it takes")


async def test_thousands_of_models_are_filtered_without_a_pause(stage: Stage, monkeypatch):
    (demo,) = stage.services().catalogue.list()
    many = [msgspec.structs.replace(demo, name=f"模型-{number:04}", path=f"/{number}") for number in range(2000)]
    async with stage.run() as screen:
        monkeypatch.setattr(screen.controller.services.catalogue, "scan", lambda: iter([demo, *many]))
        await screen.pilot.press("ctrl+o")
        await screen.see("2,001 models")
        rows = screen.app.screen.query_one(RowList)
        drawn = []
        monkeypatch.setattr(
            "llmtui.app.widgets.row_list.line", lambda row, layout: drawn.append(row) or line(row, layout)
        )
        await screen.pilot.press(*"1234")
        await screen.until(lambda: rows.rows[0].key == "模型-1234")
        await screen.pilot.press("ctrl+end", "up")
        assert 0 < len(drawn) < 500, "only what is on the screen is drawn"


async def test_adapters_of_the_model_that_answers_are_a_key_away(stage: Stage):
    async with stage.run(size=(80, 24)) as screen:
        await screen.pilot.press("ctrl+o")
        await screen.see("1 model")
        assert "F9 LoRA" in screen.text
        await screen.pilot.press("f9")
        await screen.see("LoRA adapters")
        await screen.see("No LoRA adapter")
        await screen.pilot.press("escape")
        await screen.until(lambda: isinstance(screen.app.screen, ModelPicker))


async def test_a_filter_of_several_words_keeps_the_rows_that_hold_them_all(stage: Stage):
    for name in ("qwen2-7b", "qwen2-7b-instruct", "通义-7b-instruct"):
        stage.add_model(name)
    async with stage.run() as screen:
        await screen.pilot.press("ctrl+o")
        await screen.see("4 models")
        screen.app.screen.query_one("Input").value = "ins qwen2"
        await screen.until(lambda: screen.app.screen.marked.name == "qwen2-7b-instruct")
        assert len(screen.app.screen.query_one(RowList).rows) == 1
        screen.app.screen.query_one("Input").value = "ins 通义"
        await screen.until(lambda: screen.app.screen.marked.name == "通义-7b-instruct")

"""Rows of the model picker: what they hold, in which order, and which columns give way."""

import msgspec
import pytest

from llmtui.app.model_rows import (
    ORDERS,
    Standing,
    columns,
    in_order,
    model_row,
    next_order,
    order_named,
)
from llmtui.app.model_sheet import sheet
from llmtui.app.widgets.table import heading, lay_out, line
from llmtui.domain.fit import Fit
from llmtui.domain.models import ModelInfo
from llmtui.services.model_files import ModelDetails, TensorShare

NOTHING = Standing()


def info(name: str, **values: object) -> ModelInfo:
    given = {"name": name, "path": f"/{name}", "parts": [], "source": "folder", "size_bytes": 1, "modified_ns": 0}
    return msgspec.convert(given | values, ModelInfo)


MODELS = [
    info("demo", source="demo", size_bytes=5, parameters=3),
    info("alpha", size_bytes=9, parameters=1, source="ollama"),
    info("Beta", size_bytes=7, parameters=2),
    info("aaa", problem="it is broken"),
    info("box/x", source="server", server="box", size_bytes=None),
]


@pytest.mark.parametrize(
    ("order", "names"),
    [
        ("name", ["demo", "alpha", "Beta", "box/x", "aaa"]),
        ("size", ["alpha", "Beta", "demo", "box/x", "aaa"]),
        ("parameters", ["demo", "Beta", "alpha", "box/x", "aaa"]),
        ("source", ["demo", "Beta", "alpha", "box/x", "aaa"]),
        ("recently used", ["Beta", "alpha", "box/x", "demo", "aaa"]),
        ("no such order", ["demo", "alpha", "Beta", "box/x", "aaa"]),
    ],
)
def test_every_order_puts_broken_models_last(order: str, names: list[str]) -> None:
    used = {"Beta": Standing(used_at=9.0)}
    found = in_order(MODELS, order_named(order), lambda model: used.get(model.name, NOTHING))
    assert [model.name for model in found] == names


def test_the_orders_go_round_and_the_heading_shows_which() -> None:
    order = ORDERS[0]
    for _ in ORDERS:
        marked = [column.name for column in columns(order) if "↓" in column.name]
        assert len(marked) == (order.column is not None)
        assert all(order.column in name for name in marked)
        order = next_order(order)
    assert order == ORDERS[0]


def test_a_row_tells_state_pin_and_fit() -> None:
    fit = Fit(verdict="tight", reason="little would be left")
    row = model_row(MODELS[1], Standing(current=True, pin=3, fit=fit))
    assert row.cells[0] == "●3"
    assert "tight" in row.cells
    assert model_row(MODELS[1], Standing(warm=True)).cells[0] == "○"
    assert "?" in model_row(MODELS[1], Standing(fit=Fit(verdict=None, reason="x"))).cells


@pytest.mark.parametrize("width", [20, 46, 71, 90, 130])
def test_rows_are_as_wide_as_the_list_with_chinese_names_too(width: int) -> None:
    models = [info("通义千问-0.5b", size_bytes=1 << 30, quantisation="Q4_0", architecture="qwen2"), *MODELS]
    rows = [model_row(model, Standing(pin=1, fit=Fit(verdict="yes", reason=""))) for model in models]
    layout = lay_out(columns(ORDERS[0]), rows, width)
    assert heading(layout).cell_length == width
    for row in rows:
        shown = line(row, layout)
        assert shown.cell_length == width if row.problem is None else shown.cell_length <= width
    if width >= 71:
        assert {"fits", "size"} <= set(heading(layout).plain.split())


def test_the_sheet_wraps_chinese_paths_and_says_why_it_does_not_fit() -> None:
    model = info("千问", path="/模型/" + "很长的名字" * 20 + ".gguf")
    standing = Standing(pin=2, fit=Fit(verdict="no", reason="it takes 45.0 GiB; 12.0 GiB of memory is available"))
    text = sheet(model, standing, None, width=40)
    assert all(part.cell_length <= 40 for part in text.split("\n"))
    assert "no: it takes 45.0 GiB" in text.plain
    assert "Alt+2" in text.plain
    assert text.plain.replace("\n", "").replace(" ", "").count("很长的名字") == 20


def test_the_sheet_shows_nothing_that_a_terminal_would_obey() -> None:
    text = sheet(info("a\x1b[2Jb", title="t\x9b1m", path="/\x1b"), NOTHING, None, width=40, remark="\x1b!")
    assert not {"\x1b", "\x9b"} & set(text.plain)


def test_the_sheet_writes_metadata_as_people_do_and_hangs_it_under_its_column() -> None:
    path = "/models/a folder/" + "long-name-" * 6 + "/model.gguf"
    metadata = {
        "llama.rope.freq_base": 10000.0,
        "llama.attention.head_count_kv": "[8 × 28]",
        "general.languages": "[en, zh]",
        "general.tags": "[string × 40]",
        "tokenizer.ggml.tokens": "[string × 3072]",
    }
    details = ModelDetails(
        info=info("x"),
        gguf_version=3,
        alignment=32,
        tensors=1,
        tensor_types=tuple(TensorShare(type=name, tensors=1, size_bytes=1, share=0.25) for name in ("Q4_K", "Q6_K")),
        metadata=metadata,
        special_tokens={},
        template=None,
        named_templates={},
        licence=None,
    )
    text = sheet(info("x", path=path, architecture="llama"), NOTHING, details, width=40).plain
    lines = text.splitlines()[1:]
    assert max(map(len, lines)) <= 40
    assert {line[10] for line in lines} == {" "}
    assert " " not in {line[11] for line in lines}
    assert [(line[:11].strip(), line[11:]) for line in lines][-5:] == [
        ("kv heads", "8 × 28"),
        ("rope base", "10,000"),
        ("languages", "en, zh"),
        ("tags", "40 values"),
        ("vocabulary", "3,072 tokens"),
    ]
    start = next(number for number, line in enumerate(lines) if line.startswith("file"))
    end = next(number for number, line in enumerate(lines) if line.startswith(("model", "size")))
    assert "".join(line[11:] for line in lines[start:end]).replace(" ", "") == path.replace(" ", "")
    assert lines[start].endswith("folder/")

"""Which columns of a list are shown, and how wide."""

import pytest

from llmtui.app.widgets.table import Column, Row, lay_out, line

COLUMNS = (
    Column(name="profile", kept=True),
    Column(name="mode", rank=3),
    Column(name="what it is", flexible=True),
    Column(name="from", rank=2),
)


def row(name: str) -> Row:
    return Row(key=name, cells=(name, "chat-instruct", "a persona that answers in Chinese", "yours"), search=name)


@pytest.mark.parametrize("width", [20, 36, 76, 136])
@pytest.mark.parametrize("name", ["assistant-zh", "长" * 50])
def test_what_a_row_is_called_by_is_shown_on_every_screen(width: int, name: str) -> None:
    layout = lay_out(COLUMNS, [row(name)], width)
    assert layout.shown[0] == 0
    shown = line(row(name), layout)
    assert shown.cell_length <= width
    assert shown.plain.startswith(name[:4])


def test_less_important_columns_go_first() -> None:
    shown = [lay_out(COLUMNS, [row("coder")], width).shown for width in (100, 52, 36)]
    assert shown == [(0, 1, 2, 3), (0, 1, 2), (0, 2)]

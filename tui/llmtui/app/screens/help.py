"""The help screen: every action of the registry, and what the profiler's figures mean."""

import textwrap
from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from llmtui.app.actions import GROUPS, Action

_TYPING = (
    ("Enter", "Send the question."),
    ("Ctrl+J", "Begin a new line; Shift+Enter too, where the terminal tells it apart."),
    ("Up / Down", "Earlier questions, when the cursor is in the first or last line."),
)
_FIGURES = (
    ("decode", "Tokens and visible characters (字) a second, the first token left out."),
    ("prefill", "Speed of reading the prompt; cached tokens were known already and are not counted."),
    ("ttft", "From sending to the first visible text."),
    ("itl", "Gap between two tokens: half are shorter than p50, nineteen of twenty than p95."),
    ("context", "Tokens the conversation takes of those the model can hold."),
    ("memory", "Of the model's process. Mapped: weights in the file. Anonymous: the rest, also repacked weights."),
    ("–", "Not known. It is never shown as zero."),
)
_KEY_WIDTH = 14
_COPY = "Copying works over SSH by OSC 52. In tmux it needs: set -g set-clipboard on"


class HelpScreen(ModalScreen[None]):
    """Keys by group, then the figures.

    Args:
        actions: the registry with the user's keys.
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,enter", "dismiss(None)", show=False, priority=True)]
    DEFAULT_CSS = """
    HelpScreen {
        align: center middle; background: $background 60%;
        VerticalScroll { width: 96%; max-width: 92; height: auto; max-height: 90%; padding: 0 1;
                         background: $surface; border: round $primary; border-title-color: $primary;
                         scrollbar-size-vertical: 1; scrollbar-gutter: stable; }
        Static { width: 1fr; height: auto; }
    }
    """

    def __init__(self, actions: Sequence[Action]) -> None:
        super().__init__()
        self._actions = tuple(actions)

    def compose(self) -> ComposeResult:
        """One scrollable text."""
        with VerticalScroll() as box:
            box.border_title = Content("Help · Esc closes")
            yield Static()

    def on_resize(self) -> None:
        """Wrap for the width there is."""
        self.call_after_refresh(self._fill)

    def _fill(self) -> None:
        text = self.query_one(Static)
        text.update(help_text(self._actions, text.content_size.width))


def help_text(actions: Sequence[Action], width: int) -> Content:
    """Everything the help says, the explanations wrapped beside their keys."""
    sections: list[tuple[str, list[tuple[str, str]]]] = [
        ("Typing", list(_TYPING)),
        *(
            (group, [(action.key_name, action.help) for action in actions if action.group == group and action.listed])
            for group in GROUPS
        ),
        ("The profiler", list(_FIGURES)),
    ]
    lines: list[Content] = []
    for title, rows in sections:
        lines.append(Content.styled(title, "bold $primary"))
        for key, text in rows:
            first, *rest = textwrap.wrap(text, max(16, width - _KEY_WIDTH))
            lines.append(Content.assemble((f"  {key}".ljust(_KEY_WIDTH), "bold"), first))
            lines += [Content(" " * _KEY_WIDTH + more) for more in rest]
        lines.append(Content(""))
    lines += [Content.styled(line, "$text-muted") for line in textwrap.wrap(_COPY, max(16, width))]
    return Content("\n").join(lines)

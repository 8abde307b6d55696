"""What the lines around a notebook's text say."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import msgspec
from textual.content import Content

from llmtui.app import captions
from llmtui.app import format as fmt
from llmtui.app.actions import Action
from llmtui.app.widgets.panel_lines import status_text
from llmtui.domain.profile import RAW_MODES
from llmtui.domain.text import visible_line
from llmtui.services.prompting import GAP

if TYPE_CHECKING:
    from llmtui.app.controller import ChatController
    from llmtui.app.operations import Operation
    from llmtui.domain.events import Failed, Notice
    from llmtui.domain.snapshot import ProfilerSnapshot
    from llmtui.errors import LlmtuiError
    from llmtui.services.notebook import Notebook

MOST_COPIED = 100_000
"""Bytes that a terminal is sure to take as a clipboard's content: base64 makes more of them."""
Key = Callable[[str], str]
"""From an action's id to its key, as people write it."""


def placeholder(key: Key) -> str:
    """What an empty notebook shows."""
    return (
        f"Write the beginning of a text; {key('notebook_write')} has the model go on with it, word by word as it "
        f"stands, without a chat template. {key('notebook_gap')} puts a gap at the cursor, for models that fill one."
    )


def header(controller: "ChatController", width: int, operations: "Sequence[Operation]") -> tuple[Content, Content]:
    """The model at the left as in the chat, the notebook and its profile at the right."""
    left, right = captions.header(controller, width, operations)
    if operations or controller.loading is not None:
        return left, right
    profile = controller.profile
    name = fmt.name(profile.name) + (" *" if controller.edits else "")
    before = profile.system if profile.mode in RAW_MODES else None
    system = f" · {len(before):,} characters of its system text come first" if before else ""
    return left, Content.assemble(("notebook", "bold $secondary"), (f" · {name}{system}", "$text-muted"))


def status(notebook: "Notebook", live: "ProfilerSnapshot | None", width: int) -> Content:
    """The figures of what is being written, or of what was written last and stands there."""
    problem = notebook.session.save_problem
    if problem is not None:
        return captions.warning(problem)
    if live is not None:
        return Content.styled(status_text(live, width), "$text-muted")
    turn, versions = notebook.last_turn, notebook.versions
    if turn is None:
        return Content.styled("taken back" if notebook.taken_back else "nothing written yet", "$text-muted")
    number = f"version {versions[0]} of {versions[1]} · " if versions else ""
    changed = " · changed since" if notebook.changed else ""
    return Content.styled(f"{number}{turn.summary}{changed}", "$text-muted")


def hint(text: str, *, running: bool, key: Key) -> Content:
    """What the model is to do, or does."""
    gap = GAP in text
    if running:
        return Content.styled("the model writes", "bold $secondary")
    what = "fills the gap" if gap else "goes on at the end"
    return Content.styled(f"{key('notebook_write')} {what}", "$text-muted") if text.strip() else captions.NOTHING


def problem(failure: "Failed | LlmtuiError | None", remarks: "Sequence[Notice]") -> Content:
    """What went wrong, and what the engine remarked; empty when nothing is to be said."""
    lines = [Content.styled(visible_line(f"{remark.text}. {remark.remedy}"), "$warning") for remark in remarks]
    if failure is not None:
        why = " · ".join(visible_line(part) for part in (failure.cause, failure.remedy) if part)
        lines.append(
            Content.assemble((visible_line(failure.title), "bold $error"), (f": {why}" if why else "", "$error"))
        )
    return Content("\n").join(lines)


def copied(text: str) -> str:
    """That the text is in the clipboard."""
    much = len(text.encode("utf-8", "replace")) > MOST_COPIED
    return f"copied {len(text):,} characters{'; some terminals take only 100 kB' if much else ''}"


def stopping(leave: Action) -> Action:
    """The key that leaves, while it stops the model."""
    return msgspec.structs.replace(leave, label="stop")

"""What the one-line bars say: header, status, warning, size of the draft."""

from typing import TYPE_CHECKING

from textual.content import Content

from llmtui.app import format as fmt
from llmtui.app.entries import DEMO_REMARK, SHORT_DEMO_REMARK
from llmtui.app.widgets.panel_lines import ALARM_FRACTION, status_text
from llmtui.domain.defaults import settle
from llmtui.domain.profile import RAW_MODES
from llmtui.domain.snapshot import ProfilerSnapshot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llmtui.app.controller import ChatController
    from llmtui.app.operations import Operation
    from llmtui.domain.messages import Message
    from llmtui.domain.models import ModelInfo
    from llmtui.services.session import DraftCount

NOTHING = Content("")
DEFAULT = "default"
"""Of the profiles, the one that goes without saying."""


def header(controller: "ChatController", width: int, operations: "Sequence[Operation]" = ()) -> tuple[Content, Content]:
    """Model, quantisation and engine at the left, what goes on or is special about the settings at the right."""
    left = _model(controller, away=any(one.alone for one in operations))
    if operations:
        return left, _under_way(operations)
    return left, _remark(controller, width, room=width - left.cell_length - 4)


def _under_way(operations: "Sequence[Operation]") -> Content:
    """What is being pulled or made behind the chat."""
    first, *others = operations
    fraction = first.progress.fraction if first.progress else None
    share = "" if fraction is None else f" {fmt.percent(fraction)}"
    more = f" · {len(others)} more" if others else ""
    return Content.assemble((fmt.name(first.title), "$text-muted"), (f"{share}{more}", "bold $warning"))


def _model(controller: "ChatController", *, away: bool) -> Content:
    loading = controller.loading
    if loading is not None and not controller.answers and not controller.running:
        share = "" if loading.fraction is None else f" {fmt.percent(loading.fraction)}"
        waits = " · your question waits" if controller.pending is not None else ""
        return Content.assemble(
            (f"loading {loading.name}", "bold $warning"), (f" · {loading.stage}{share}{waits}", "$text-muted")
        )
    info, loaded = controller.writer
    if info is None:
        return Content.assemble(("no model", "bold $warning"), (f" · {controller.key('pick_model')} opens one", ""))
    chosen = loaded.name if loaded and info.server else info.name  # a server that has one model names it
    name = Content.styled(fmt.name(chosen), "bold $primary")
    if away and not controller.answers:
        return Content.assemble(name, (" · makes room for the run, and comes back after it", "$warning"))
    if controller.dead and not _switched(controller):
        stopped = f" has stopped · {controller.key('reload_model')} loads it again"
        return Content.assemble(name, (stopped, "bold $error"))
    adapters = "".join(f" {fmt.name(one.label)}" for one in loaded.adapters if one.scale) if loaded else ""
    quantisation = (loaded.quantisation if loaded else None) or info.quantisation
    engine = (loaded.engine, loaded.served_by) if loaded else ()
    parts = [fmt.name(part) for part in (quantisation, *engine) if part]
    return Content.assemble(
        name, (adapters, "bold $secondary"), ("".join(f" · {part}" for part in parts), "$text-muted")
    )


def _remark(controller: "ChatController", width: int, *, room: int) -> Content:
    info, loading = controller.model, controller.loading
    if loading is not None and (controller.answers or controller.running):
        share = "" if loading.fraction is None else f"{fmt.percent(loading.fraction)} "
        stage = loading.stage if controller.pending is None else "your question waits for it"
        return Content.assemble((f"{share}→ {loading.name}", "bold $warning"), (f" · {stage}", "$text-muted"))
    if loading is not None or controller.dead or info is None:
        return NOTHING
    if _switched(controller) or controller.pending is not None:
        return _next(controller, info)
    asked, loaded = controller.services.host.runtime.context, controller.loaded
    if asked and loaded and loaded.context_size is not None and loaded.context_size < asked:
        return Content.styled(f"context {loaded.context_size:,}: the model has no {asked:,}", "$warning")
    choices = _settings(controller, info, width)
    return next((choice for choice in choices if choice.cell_length <= room), NOTHING)


def _settings(controller: "ChatController", info: "ModelInfo", width: int) -> tuple[Content, ...]:
    """The profile and its mode; without one, what there is to say of the model's settings. Shorter ones follow."""
    profile = controller.profile
    if profile.name != DEFAULT or controller.edits:
        name = fmt.name(profile.name) + (" *" if controller.edits else "")
        short = Content.styled(name, "bold $secondary")
        hint = f" · {controller.key('open_notebook')} notebook" if profile.mode in RAW_MODES else ""
        return Content.assemble(short, (f" · {profile.mode}{hint}", "$text-muted")), short
    if info.source == "demo":
        return (Content.styled(DEMO_REMARK if width >= 100 else SHORT_DEMO_REMARK, "$text-muted"),)
    loaded = controller.loaded
    theirs = loaded.defaults if loaded and loaded.defaults else info.defaults
    sampling = settle(controller.wanted, theirs).sampling
    words = (
        f"temperature {sampling.temperature:g} · top-p {sampling.top_p:g}",
        f"temperature {sampling.temperature:g}",
    )
    return tuple(Content.styled(text, "$text-muted") for text in words)


def _next(controller: "ChatController", coming: "ModelInfo") -> Content:
    """What comes after the running answer: another model, a question, or both."""
    if not _switched(controller):
        return Content.styled(f"your next question waits · {controller.key('stop')} takes it back", "bold $warning")
    what = "your next question waits for it" if controller.pending is not None else "answers next"
    return Content.assemble((f"→ {fmt.name(coming.name)}", "bold $warning"), (f" · {what}", "$text-muted"))


def _switched(controller: "ChatController") -> bool:
    """Whether another model than the one that answers next still writes."""
    writer, coming = controller.writer[0], controller.model
    return writer is not None and coming is not None and writer.path != coming.path


def status(snapshot: ProfilerSnapshot, width: int) -> Content:
    """The folded profiler."""
    return Content.styled(status_text(snapshot, width), "$text-muted")


def more_below(controller: "ChatController") -> Content:
    """That the view does not follow the end any more."""
    return Content.styled(f"{controller.key('scroll_end')} to the end", "$text-muted")


def editing(message: "Message", controller: "ChatController") -> Content:
    """That the input line holds a message's text, and how to leave."""
    what = "your question" if message.role == "user" else "this answer"
    return Content.styled(
        f"editing {what} · {controller.key('stop')} leaves · Enter keeps it as a new version", "$warning"
    )


def warning(problem: str) -> Content:
    """Why the chat is not being saved."""
    return Content.styled(f"not being saved: {fmt.name(problem)}", "bold $warning")


def draft(count: "DraftCount", *, sign: str = "+") -> Content:
    """`+214 tok → 21 % context`; `~` in front of what is estimated, stressed when it will not fit.

    Args:
        count: of the draft.
        sign: before the draft's tokens; none where nothing comes before the draft.
    """
    mark = "" if count.exact else "~"
    tokens = f"{sign}{'~' if count.source == 'estimate' else ''}{count.draft_tokens:,} tok"
    if not count.context_size:
        return Content.styled(tokens, "$text-muted")
    fraction = count.total_tokens / count.context_size
    if fraction > 1:
        over = f"{tokens} → {mark}{count.total_tokens:,} of {count.context_size:,}: too long for the context"
        return Content.styled(over, "bold $error")
    style = "bold $warning" if fraction >= ALARM_FRACTION else "$text-muted"
    return Content.styled(f"{tokens} → {mark}{fmt.percent(fraction)} context", style)

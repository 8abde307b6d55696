"""What the prompt inspector says around the tokens."""

from collections.abc import Sequence
from itertools import groupby

from textual.content import Content

from llmtui.app import format as fmt
from llmtui.app.render.token_rows import OWNERS
from llmtui.domain.prompt_diff import Difference
from llmtui.domain.rendered import ADDED, ENDS, SPECIAL, Rendered
from llmtui.services.inspection import Inspected, Subject

NOTHING = Content("")
LEGEND = "shades: tokens · bold: special · grey │: in the cache · ≠ differs from it"
_DIFF = "- was there before · + is new"
_TITLE_LENGTH = 40


def subject(which: Subject) -> str:
    """Which prompt, in short."""
    return f"turn {which.number}" if which.turn is not None else "next prompt"


def header(
    all_: Sequence[Subject], at: int, inspected: Inspected | None, draft: str, other: str | None
) -> tuple[Content, Content]:
    """Which prompt at the left, its size at the right."""
    which = all_[at]
    if which.turn is None:
        more = " with your draft" if draft.strip() else ", without a draft"
    else:
        more = f" of {len(all_) - 1} · {fmt.name(which.turn.manifest.model)}"
    left = Content.assemble((f"prompt · {subject(which)}", "bold $primary"), (more, "$text-muted"))
    if other is not None:
        left = Content.assemble((f"diff · {subject(which)}", "bold $primary"), (f" and {other}", "$text-muted"))
    rendered = inspected.rendered if inspected else None
    if rendered is None:
        return left, Content.styled("asking the engine …" if inspected is None else "", "$text-muted")
    return left, Content.styled(_size(rendered), "bold $error" if _too_long(rendered) else "")


def _size(rendered: Rendered) -> str:
    if not rendered.ids:
        return f"{len(rendered.text):,} characters"
    size = f" of {rendered.context_size:,}" if rendered.context_size else ""
    cached = f" · {rendered.cached:,} cached" if rendered.cached is not None else ""
    miss = f" · differs at {rendered.miss:,}" if rendered.miss is not None else ""
    return f"{len(rendered.ids):,}{size} tokens{cached}{miss}"


def _too_long(rendered: Rendered) -> bool:
    return rendered.context_size is not None and len(rendered.ids) >= rendered.context_size


def counts(inspected: Inspected | None) -> Content:
    """Tokens by whose they are; each message's own count stands above it."""
    rendered = inspected.rendered if inspected else None
    if rendered is None or not rendered.ids:
        return NOTHING
    sums: dict[str, list[int]] = {}
    for segment in rendered.segments:
        sums.setdefault(segment.owner, []).append(segment.tokens)
    parts = []
    for owner, tokens in sums.items():
        times = f" in {len(tokens)}" if len(tokens) > 1 else ""
        parts.append(f"{OWNERS.get(owner, owner)} {sum(tokens):,}{times}")
    if rendered.bos_count is not None and rendered.bos_count > 1:
        parts.append(f"{rendered.bos_count} begin tokens, one too many")
    return Content.styled(" · ".join(parts), "$text-muted")


def remark(inspected: Inspected | None, view: str) -> Content:
    """What the user should know of the prompt; else what the marks mean."""
    if inspected is None:
        return NOTHING
    if inspected.error is not None:
        return Content.styled(fmt.name(str(inspected.error)), "bold $error")
    if inspected.rendered is None:
        return NOTHING
    if _too_long(inspected.rendered):
        return Content.styled("too long for the context: the engine would refuse it", "bold $error")
    if view == "diff":
        return Content.styled(_DIFF, "$text-muted")
    said_ = [*inspected.remarks, *inspected.rendered.notes]
    style = "$warning" if inspected.as_sent is False else "$text-muted"
    return Content.styled(" · ".join(map(fmt.name, said_)) if said_ else LEGEND, style)


def said(text: str) -> Content:
    """A remark on what was just done."""
    return Content.styled(fmt.name(text), "$warning")


def change(rendered: Rendered) -> str:
    """Where the cache ends and why."""
    cached, total = rendered.cached or 0, len(rendered.ids)
    if rendered.miss is not None:
        return f"token {rendered.miss:,} is not the one in the cache: from {cached:,} on, all is evaluated again"
    return f"{cached:,} of {total:,} tokens are in the cache; the last one is evaluated always"


def token(rendered: Rendered, at: int) -> str:
    """All that is known of a token."""
    piece, flag = rendered.pieces[at], rendered.flags[at]
    segment = next((each for each in rendered.segments if each.start <= at < each.end), None)
    parts = [f"token {at:,}", f"id {rendered.ids[at]}", repr(piece.decode("utf-8", "replace")), piece.hex(" ")]
    names = ((SPECIAL, "special"), (ENDS, "ends a turn"), (ADDED, "added by the tokeniser"))
    parts += [name for bit, name in names if flag & bit]
    if segment is not None:
        parts.append(OWNERS.get(segment.owner, segment.owner))
    return " · ".join(parts)


def difference_text(first: Rendered, second: Rendered, found: Sequence[Difference]) -> str:
    """What differs, for the clipboard: a line begins with `-` or `+` where its text is of one prompt only."""
    lines = []
    for _, group in groupby(found, key=lambda difference: difference.kind):
        for difference in group:
            source = first if difference.kind == "gone" else second
            parts = source.slices() if source.ids else source.text.encode().splitlines(keepends=True)
            text = b"".join(parts[difference.start : difference.end]).decode("utf-8", "replace")
            sign = {"same": " ", "gone": "-", "new": "+"}[difference.kind]
            lines += [f"{sign}{line}" for line in text.splitlines()]
    return "\n".join(lines)

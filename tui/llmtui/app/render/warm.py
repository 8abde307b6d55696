"""What the first answer needs, made before it comes."""

from llmtui.app.render.palette import Palette

_SAMPLE = "# a\n\n```python\nb = 1\n```\n\n| c |\n|---|\n| d |\n\ne"


def warm_up() -> None:
    """Import the parsers and build them. It takes a tenth of a second, so call it from a thread while a model loads."""
    from llmtui.app.render.stream import MarkdownStream  # noqa: PLC0415 - the first paint does without

    MarkdownStream(80, Palette.from_theme({}, ansi=True)).finish(_SAMPLE)

"""The styles a conversation is drawn in, taken from a theme's colours."""

from collections.abc import Mapping
from dataclasses import dataclass

from rich.style import Style
from textual.color import Color


@dataclass(frozen=True)
class Palette:
    """Styles by what they are for. Meaning never hangs on colour alone: weight, slant, marks or labels carry it too.

    Attributes:
        text: of everything without another style.
        muted: footers, URLs, rules, the language of a code block.
        label: who speaks.
        user, assistant, notice, error: the bar left of an entry.
        keyword, string, number, comment, name: code, added to `code`.
    """

    text: Style
    muted: Style
    label: Style
    user: Style
    assistant: Style
    notice: Style
    error: Style
    title: Style
    heading: Style
    strong: Style
    emphasis: Style
    struck: Style
    inline_code: Style
    code: Style
    keyword: Style
    string: Style
    number: Style
    comment: Style
    name: Style
    quote: Style
    link: Style
    selection: Style

    @classmethod
    def from_theme(cls, variables: Mapping[str, str], *, ansi: bool = False) -> "Palette":
        """The palette of a theme.

        Args:
            variables: a theme's CSS variables: `foreground`, `background`, `primary`, ….
            ansi: the theme leaves its colours to the terminal, so none can be mixed.
        """
        if ansi:
            return cls._from_styles(
                text=Style(),
                muted=Style(dim=True),
                code=Style(),
                colours={
                    "primary": Style(color="blue"),
                    "secondary": Style(color="cyan"),
                    "accent": Style(color="magenta"),
                    "success": Style(color="green"),
                    "warning": Style(color="yellow"),
                    "error": Style(color="red"),
                },
            )
        foreground, background = Color.parse(variables["foreground"]), Color.parse(variables["background"])
        muted = variables.get("text-muted", "")
        grey = Color.parse(muted) if muted.startswith("#") else background.blend(foreground, 0.62)
        names = ("primary", "secondary", "accent", "success", "warning", "error")
        return cls._from_styles(
            text=Style(color=foreground.rich_color),
            muted=Style(color=grey.rich_color),
            code=Style(color=foreground.rich_color, bgcolor=Color.parse(variables["surface"]).rich_color),
            colours={name: Style(color=Color.parse(variables[name]).rich_color) for name in names},
        )

    @classmethod
    def _from_styles(cls, text: Style, muted: Style, code: Style, colours: Mapping[str, Style]) -> "Palette":
        bold = Style(bold=True)
        return cls(
            text=text,
            muted=muted,
            label=muted + bold,
            user=colours["primary"],
            assistant=colours["success"],
            notice=muted,
            error=colours["error"],
            title=colours["primary"] + Style(bold=True, underline=True),
            heading=colours["primary"] + bold,
            strong=bold,
            emphasis=Style(italic=True),
            struck=Style(strike=True),
            inline_code=colours["accent"],
            code=code,
            keyword=colours["primary"] + bold,
            string=colours["success"],
            number=colours["accent"],
            comment=muted + Style(italic=True),
            name=colours["primary"],
            quote=muted,
            link=Style(underline=True),
            selection=Style(reverse=True),
        )

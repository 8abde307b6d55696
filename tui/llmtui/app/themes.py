"""The program's own two themes. Quiet, with enough contrast to survive a terminal of 16 colours."""

from collections.abc import Collection

from textual.theme import Theme

from llmtui.errors import ConfigError


def _scrollbar(*, thumb: str, track: str) -> dict[str, str]:
    names = (
        "scrollbar-background",
        "scrollbar-background-hover",
        "scrollbar-background-active",
        "scrollbar-corner-color",
    )
    return {"scrollbar": thumb, **dict.fromkeys(names, track)}


DARK = Theme(
    name="llmtui-dark",
    primary="#7fa7d4",
    secondary="#9dbb93",
    accent="#d9ac6c",
    warning="#d9ac6c",
    error="#e07f86",
    success="#9dbb93",
    foreground="#d8dce3",
    background="#14161a",
    surface="#1a1d22",
    panel="#22262d",
    dark=True,
    variables={
        "text-muted": "#8d95a1",
        "border": "#363c46",
        "input-cursor-background": "#d8dce3",
        **_scrollbar(thumb="#363c46", track="#1a1d22"),
    },
)

LIGHT = Theme(
    name="llmtui-light",
    primary="#2c5f93",
    secondary="#3f6d3a",
    accent="#8f5b10",
    warning="#8f5b10",
    error="#a8323c",
    success="#3f6d3a",
    foreground="#24282e",
    background="#fbfaf7",
    surface="#f3f1ec",
    panel="#e8e5de",
    dark=False,
    variables={
        "text-muted": "#666c76",
        "border": "#cfcbc2",
        "input-cursor-background": "#24282e",
        **_scrollbar(thumb="#cfcbc2", track="#f3f1ec"),
    },
)

THEMES = (DARK, LIGHT)
DEFAULT = DARK.name


def chosen(wanted: str | None, available: Collection[str]) -> str:
    """The theme to start with.

    Raises:
        ConfigError: there is no theme of that name.
    """
    if wanted is None:
        return DEFAULT
    if wanted not in available:
        raise ConfigError(
            f"There is no theme named {wanted}",
            cause="config.toml, theme",
            remedy=f"Use one of: {', '.join(sorted(available))}",
        )
    return wanted

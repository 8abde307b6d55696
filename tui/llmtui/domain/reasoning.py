"""Whether a model is to think before it answers, and how hard; and what chat templates call that."""

from collections.abc import Set as AbstractSet
from typing import Literal, NamedTuple

Switch = Literal["on", "off"]
Effort = Literal["low", "medium", "high"]
SWITCHES = ("enable_thinking", "thinking")
"""What families call the switch: Qwen, GLM, SmolLM, ERNIE, Hunyuan and EXAONE the one; DeepSeek, Granite and Kimi the
other."""
EFFORT = "reasoning_effort"
"""What gpt-oss, Mistral and OpenAI's API call the effort."""
BUDGET = "thinking_budget"
"""Tokens for thoughts in Seed's template; 0 is none."""
VARIABLES = frozenset({*SWITCHES, EFFORT, BUDGET})


class Reasoning(NamedTuple):
    """What is asked for.

    Attributes:
        switch: None leaves it to the model.
        effort: None leaves it to the model; nothing is asked for where the switch is off.
    """

    switch: Switch | None = None
    effort: Effort | None = None

    @property
    def hard(self) -> Effort | None:
        """The effort, where the model is to think."""
        return None if self.switch == "off" else self.effort

    def __bool__(self) -> bool:
        """Whether anything is asked for."""
        return self.switch is not None or self.effort is not None


NO_WISH = Reasoning()


class Passed(NamedTuple):
    """What is passed to a template.

    Attributes:
        variables: by name.
        unheeded: wishes, in words, that the template has no variable for.
    """

    variables: dict[str, bool | int | str]
    unheeded: tuple[str, ...] = ()


def variables_of(wish: Reasoning, known: AbstractSet[str], *, has_none: bool = False) -> Passed:
    """A wish in the words of a template.

    Args:
        wish: of the user.
        known: variables that the template reads.
        has_none: whether the template knows the effort "none".
    """
    variables: dict[str, bool | int | str] = {}
    unheeded = []
    if wish.switch is not None:
        variables |= {name: wish.switch == "on" for name in SWITCHES if name in known}
        if wish.switch == "off" and not variables and BUDGET in known:
            variables[BUDGET] = 0
        if wish.switch == "off" and not variables and EFFORT in known and has_none:
            variables[EFFORT] = "none"
        # A template that knows efforts only belongs to a model that always thinks.
        if not variables and not (wish.switch == "on" and known & VARIABLES):
            unheeded.append(f"reasoning: {wish.switch}")
    if wish.hard is not None:
        if EFFORT in known:
            variables[EFFORT] = wish.hard
        else:
            unheeded.append(f"reasoning_effort: {wish.hard}")
    return Passed(variables, tuple(unheeded))


def unheeded_text(wishes: tuple[str, ...], whose: str = "The chat template") -> str:
    """Tells that wishes have no effect."""
    named = " and ".join(f"`{wish}`" for wish in wishes)
    return f"{whose} knows no {named}, so nothing changes"

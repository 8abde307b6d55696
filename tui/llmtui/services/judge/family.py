"""Whether two models are so near that one may favour the other's answers. Pure."""

import re

from llmtui.domain.models import ModelInfo

_FAMILIES = (
    *("qwen", "deepseek", "llama", "mixtral", "mistral", "gemma", "phi", "glm", "internlm", "baichuan", "minicpm"),
    *(
        "falcon",
        "command",
        "granite",
        "olmo",
        "smollm",
        "hunyuan",
        "kimi",
        "gpt",
        "claude",
        "gemini",
        "yi",
        "starcoder",
    ),
)
_MANY = frozenset({"llama"})
"""Architectures that models of many families have."""


def is_related(judge: ModelInfo, candidate: ModelInfo) -> bool:
    """Whether the two are one model, or of one family, by their names; where these tell none, by architecture."""
    if judge.path == candidate.path:
        return True
    ours, theirs = family(judge), family(candidate)
    if ours is not None or theirs is not None:
        return ours == theirs
    return judge.architecture is not None and judge.architecture == candidate.architecture not in _MANY


def family(info: ModelInfo) -> str | None:
    """The family that a model's name or title tells, else its architecture where only one family has it."""
    for text in (info.served_id, info.name, info.title):
        words = re.split(r"[^a-z]+", (text or "").casefold())
        for known in _FAMILIES:
            if any(word.startswith(known) if len(known) > 3 else word == known for word in words):
                return known
    architecture = re.sub("[^a-z].*", "", (info.architecture or "").casefold())
    return architecture if architecture in _FAMILIES and architecture not in _MANY else None

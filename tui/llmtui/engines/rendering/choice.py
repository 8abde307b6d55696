"""Which template a model gets that nobody chose one for."""

from collections.abc import Callable

from llmtui.domain.templates import NamedTemplate

CHATML = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{% endfor %}"
    "{{ '<|im_start|>assistant\n' }}"
)
DIALOGUE = (
    "{% for message in messages %}"
    "{% if message['role'] == 'system' %}{{ message['content'] + '\n\n' }}"
    "{% elif message['role'] == 'user' %}{{ 'User: ' + message['content'] + '\n' }}"
    "{% else %}{{ 'Assistant: ' + message['content'] + '\n' }}{% endif %}"
    "{% endfor %}"
    "{{ 'Assistant:' }}"
)


def choose_template(own: str | None, has_token: Callable[[str], bool]) -> NamedTemplate:
    """The model's own template; without one ChatML if the vocabulary has its tokens, else a plain dialogue."""
    if own and own.strip():
        return NamedTemplate(name="model", text=own, source="model")
    if has_token("<|im_start|>"):
        return NamedTemplate(
            name="chatml",
            text=CHATML,
            source="fallback: ChatML, because the file has no chat template but the tokens of this one",
            stops=("<|im_end|>",),
        )
    return NamedTemplate(
        name="dialogue",
        text=DIALOGUE,
        source="fallback: a plain dialogue, because the file has no chat template",
        stops=("\nUser:",),
    )

"""Thoughts of past answers: sent back to templates that ask for them, and to no others."""

import pytest

from llmtui.domain.messages import ChatMessage, Message
from llmtui.domain.rendered import marked_all
from llmtui.domain.settings import Sampling
from llmtui.domain.templates import NamedTemplate
from llmtui.engines.base import GenerateRequest
from llmtui.engines.ollama.wire import turn_body
from llmtui.engines.openai.facts import LLAMA_SERVER, VLLM
from llmtui.engines.openai.wire import chat_messages
from llmtui.engines.rendering.renderer import Renderer
from llmtui.services.conversation import as_messages, prompt_of

CHAT = (ChatMessage("user", "问"), ChatMessage("assistant", "答", "想"), ChatMessage("user", "再问"))
QWEN = (
    "{% for m in messages %}<{{ m.role }}>{% if m.reasoning_content %}<think>{{ m.reasoning_content }}</think>"
    "{% endif %}{{ m.content }}{% endfor %}"
)
GPT_OSS = "{% for m in messages %}{% if m.thinking %}[{{ m.thinking }}]{% endif %}{{ m.content }}{% endfor %}"
PLAIN = "{% for m in messages %}{{ m.keys() | join(' ') }}/{% endfor %}"


@pytest.mark.parametrize(
    ("template", "rendered"),
    [
        (QWEN, "<user>问<assistant><think>想</think>答<user>再问"),
        (GPT_OSS, "问[想]答再问"),
        (PLAIN, "role content/role content/role content/"),
    ],
)
def test_a_template_sees_thoughts_only_where_it_asks_for_them(template: str, rendered: str) -> None:
    renderer = Renderer()
    try:
        text = renderer.render(NamedTemplate(name="t", text=template), CHAT, bos_text="", eos_text="").text
    finally:
        renderer.close()
    assert text == rendered


def test_thoughts_reach_the_prompt_from_stored_messages() -> None:
    assert prompt_of("kurz", as_messages(CHAT)) == (ChatMessage("system", "kurz"), *CHAT)
    twice = (
        Message(id="1", parent_id=None, role="assistant", content="a", created_at="", reasoning="x"),
        Message(id="2", parent_id="1", role="assistant", content="b", created_at="", reasoning="y"),
    )
    assert prompt_of(None, twice) == (ChatMessage("assistant", "a\n\nb", "x\n\ny"),)
    assert [message.reasoning for message in marked_all(CHAT)] == [None, "想", None]


def test_servers_get_them_where_their_templates_may_ask() -> None:
    for kind in (LLAMA_SERVER, VLLM):
        assert chat_messages(CHAT, kind)[1] == {"role": "assistant", "content": "答", "reasoning_content": "想"}
    assert chat_messages(CHAT)[1] == {"role": "assistant", "content": "答"}
    body = turn_body(GenerateRequest(id="t", messages=CHAT, sampling=Sampling()), "m", {}, None)
    assert body["messages"][1] == {"role": "assistant", "content": "答", "thinking": "想"}
    assert body["messages"][2] == {"role": "user", "content": "再问"}


def test_what_no_encoding_can_write_is_taken_out_of_thoughts_too() -> None:
    assert ChatMessage("assistant", "a\ud800", "b\ud800").well_formed() == ChatMessage(
        "assistant", "a\ufffd", "b\ufffd"
    )

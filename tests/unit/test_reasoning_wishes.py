"""What is asked of a model's thinking, in the words of templates and servers."""

from collections.abc import Iterator

import pytest

from llmtui.domain.messages import ChatMessage
from llmtui.domain.reasoning import EFFORT, SWITCHES, Reasoning, variables_of
from llmtui.domain.settings import Sampling
from llmtui.domain.templates import NamedTemplate
from llmtui.engines.ollama.wire import Details, Shown, Thinker
from llmtui.engines.openai.facts import FASTCHAT, LLAMA_SERVER, OLLAMA, SGLANG, VLLM, WEBUI
from llmtui.engines.openai.thinking import told
from llmtui.engines.rendering.renderer import Rendered, Renderer

QWEN3 = (
    "{{ messages[0].content }}\n{% if enable_thinking is defined and enable_thinking is false %}<think>\n\n</think>\n\n"
    "{% endif %}"
)
DEEPSEEK = (
    "{% if not thinking is defined %}{% set thinking = false %}{% endif %}{{ messages[0].content }}"
    "{% if thinking %}<think>{% else %}</think>{% endif %}"
)
GPT_OSS = (
    "{% macro head() %}{% if reasoning_effort is not defined %}{% set reasoning_effort = 'medium' %}{% endif %}"
    "Reasoning: {{ reasoning_effort }}{% endmacro %}{{ head() }}"
    "{% for m in messages %}{% if m.thinking %}{{ m.thinking }}{% endif %}{{ m.content }}{% endfor %}"
)
MISTRAL = (
    "{% if reasoning_effort not in ['none', 'high'] %}{% endif %}[{{ reasoning_effort }}]{{ messages[0].content }}"
)
SEED = "{% if thinking_budget is defined and thinking_budget == 0 %}no thoughts{% endif %}{{ messages[0].content }}"
PLAIN = "{% set thinking = true %}{{ messages[0].content }}{{ messages[0].thinking }}"
OFF, ON, HIGH = Reasoning("off"), Reasoning("on"), Reasoning(effort="high")


@pytest.fixture(scope="module")
def renderer() -> Iterator[Renderer]:
    renderer = Renderer()
    yield renderer
    renderer.close()


@pytest.mark.parametrize(
    ("template", "wish", "text", "unheeded"),
    [
        (QWEN3, Reasoning(), "hi\n", ()),
        (QWEN3, OFF, "hi\n<think>\n\n</think>\n\n", ()),
        (QWEN3, ON, "hi\n", ()),
        (QWEN3, Reasoning("on", "low"), "hi\n", ("reasoning_effort: low",)),
        (QWEN3, Reasoning("off", "low"), "hi\n<think>\n\n</think>\n\n", ()),
        (DEEPSEEK, Reasoning(), "hi</think>", ()),
        (DEEPSEEK, ON, "hi<think>", ()),
        (DEEPSEEK, OFF, "hi</think>", ()),
        (GPT_OSS, Reasoning(), "Reasoning: mediumhi", ()),
        (GPT_OSS, HIGH, "Reasoning: highhi", ()),
        (GPT_OSS, Reasoning("on", "low"), "Reasoning: lowhi", ()),
        (GPT_OSS, OFF, "Reasoning: mediumhi", ("reasoning: off",)),
        (MISTRAL, OFF, "[none]hi", ()),
        (MISTRAL, HIGH, "[high]hi", ()),
        (SEED, OFF, "no thoughtshi", ()),
        (PLAIN, OFF, "hi", ("reasoning: off",)),
        (PLAIN, Reasoning("on", "high"), "hi", ("reasoning: on", "reasoning_effort: high")),
        (PLAIN, Reasoning(), "hi", ()),
    ],
)
def test_templates_are_told_in_their_own_words(
    renderer: Renderer, template: str, wish: Reasoning, text: str, unheeded: tuple[str, ...]
) -> None:
    chosen = NamedTemplate(name="t", text=template)
    found = renderer.render(chosen, [ChatMessage("user", "hi")], bos_text="", eos_text="", thinking=wish)
    assert found == Rendered(text, None, unheeded)


def test_off_leaves_no_effort() -> None:
    assert variables_of(Reasoning("off", "high"), {*SWITCHES, EFFORT}).variables == dict.fromkeys(SWITCHES, False)
    assert Sampling(reasoning="off", reasoning_effort="high").thinking == Reasoning("off", "high")


@pytest.mark.parametrize(
    ("kind", "wish", "body", "unheeded"),
    [
        (LLAMA_SERVER, OFF, {"chat_template_kwargs": {"enable_thinking": False}}, ()),
        (LLAMA_SERVER, HIGH, {}, ("reasoning_effort: high",)),
        (VLLM, OFF, {"chat_template_kwargs": {"enable_thinking": False, "thinking": False}}, ()),
        (SGLANG, HIGH, {"chat_template_kwargs": {"reasoning_effort": "high"}, "reasoning_effort": "high"}, ()),
        (WEBUI, Reasoning("on", "low"), {"enable_thinking": True, "reasoning_effort": "low"}, ()),
        (OLLAMA, OFF, {"reasoning_effort": "none"}, ()),
        (OLLAMA, HIGH, {"reasoning_effort": "high"}, ()),
        (FASTCHAT, HIGH, {"reasoning_effort": "high"}, ()),
        (FASTCHAT, OFF, {}, ("reasoning: off",)),
        ("", Reasoning("on", "low"), {"reasoning_effort": "low"}, ()),
        ("", Reasoning("off", "low"), {}, ("reasoning: off",)),
        ("", Reasoning(), {}, ()),
    ],
)
def test_servers_are_told_in_their_own_words(
    kind: str, wish: Reasoning, body: dict[str, object], unheeded: tuple[str, ...]
) -> None:
    assert told(wish, kind, template=QWEN3) == (body, unheeded)


def test_a_llama_server_is_told_what_its_template_reads() -> None:
    assert told(HIGH, LLAMA_SERVER, template=GPT_OSS).body == {"chat_template_kwargs": {"reasoning_effort": "high"}}
    assert told(OFF, LLAMA_SERVER, template=GPT_OSS).unheeded == ("reasoning: off",)
    assert told(OFF, LLAMA_SERVER, template=MISTRAL).body == {"chat_template_kwargs": {"reasoning_effort": "none"}}
    assert told(ON, LLAMA_SERVER, template=DEEPSEEK).body == {"chat_template_kwargs": {"thinking": True}}
    everything = told(Reasoning("on", "low"), LLAMA_SERVER).body["chat_template_kwargs"]
    assert everything == {"enable_thinking": True, "thinking": True, "reasoning_effort": "low"}
    assert told(Reasoning("on", "low"), LLAMA_SERVER, standard_only=True).body == {"reasoning_effort": "low"}


@pytest.mark.parametrize(
    ("capabilities", "family", "wish", "fields", "unheeded"),
    [
        (["thinking"], "qwen3", OFF, {"think": False}, ()),
        (["thinking"], "qwen3", ON, {"think": True}, ()),
        (["thinking"], "qwen3", HIGH, {"think": True}, ("reasoning_effort: high",)),
        (["thinking"], "qwen3", Reasoning(), {}, ()),
        (["thinking"], "gptoss", HIGH, {"think": "high"}, ()),
        (["thinking"], "gpt-oss", OFF, {}, ("reasoning: off",)),
        (["completion"], "llama", OFF, {}, ()),
        (["completion"], "llama", Reasoning("on", "low"), {}, ("reasoning: on", "reasoning_effort: low")),
        (None, "qwen3", OFF, {"think": False}, ()),
    ],
)
def test_ollama_is_told_what_its_model_can(
    capabilities: list[str] | None, family: str, wish: Reasoning, fields: dict, unheeded: tuple[str, ...]
) -> None:
    shown = Shown(capabilities=capabilities, details=Details(family=family))
    assert Thinker.of(shown).asked(wish) == (fields, unheeded)

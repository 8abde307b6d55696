"""Every shipped template gives what its family published, and what llama.cpp gives where it knows the format."""

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest
from template_formats import FORMATS, MORE, ONE, TOLD

from llmtui.domain.template_families import FAMILIES
from llmtui.engines.rendering.adapting import MERGED
from llmtui.engines.rendering.choice import choose_template, recognise
from llmtui.engines.rendering.renderer import Renderer
from llmtui.engines.rendering.shipped import FOLDER, shipped

BY_NAME = {family.name: family for family in FAMILIES}
LLAMA_CPP = {
    "chatml": "chatml", "yi": "chatml", "internlm2": "chatml", "phi4": "phi4", "llama3": "llama3",
    "llama2": "llama2-sys-bos", "mistral-v1": "mistral-v1", "mistral-v3": "mistral-v3",
    "mistral-v3-tekken": "mistral-v3-tekken", "mistral-v7": "mistral-v7", "mistral-v7-tekken": "mistral-v7-tekken",
    "zephyr": "zephyr", "gemma": "gemma", "phi3": "phi3", "chatglm3": "chatglm3", "glm4": "chatglm4",
    "deepseek-v2": "deepseek2", "deepseek-v3": "deepseek3", "command-r": "command-r", "rwkv-world": "rwkv-world",
    "openchat": "openchat", "minicpm": "minicpm", "granite": "granite", "vicuna": "vicuna",
    "deepseek-coder": "deepseek",
}  # fmt: skip
"""Families and llama.cpp's names for them."""
DIFFERENCES = {
    "llama2": [("[/INST] 你好！ </s>", "[/INST]你好！</s>")],  # Meta puts a space on either side of an answer
    "zephyr": [("</s>", "<|endoftext|>")],  # llama.cpp's is StableLM's: the same format with another end token
    "glm4": [("<|assistant|>$", "<|assistant|>\n$")],  # llama.cpp writes the line end that GLM-4 itself begins with
    "deepseek-v3": [("Be brief.<", "Be brief.\n\n<")],  # DeepSeek puts nothing between
    "vicuna": [(" USER", "\n\nUSER"), (" ASSISTANT", "\nASSISTANT"), ("</s>USER", "</s>\nUSER")],  # FastChat: spaces
    "deepseek-coder": [("Be brief.\n", "Be brief.")],  # DeepSeek ends the system message with a line end
}
"""What is replaced in our rendering to get llama.cpp's, and why ours is so; `$` is the end."""
ASK_LLAMA_CPP = """
import json, sys, llama_cpp
answers = {}
for name, chats in json.load(sys.stdin).items():
    answers[name] = []
    for chat in chats:
        array = (llama_cpp.llama_chat_message * len(chat))(
            *(llama_cpp.llama_chat_message(role=role.encode(), content=text.encode()) for role, text in chat)
        )
        buffer = __import__("ctypes").create_string_buffer(1 << 14)
        size = llama_cpp.llama_chat_apply_template(name.encode(), array, len(chat), True, buffer, len(buffer))
        answers[name].append(buffer.raw[:size].decode())
print(json.dumps(answers))
"""


@pytest.fixture(scope="module")
def renderer() -> Iterator[Renderer]:
    running = Renderer()
    yield running
    running.close()


@pytest.fixture(scope="module")
def of_llama_cpp() -> dict[str, list[str]]:
    chats = [[(message.role, message.content) for message in chat] for chat in (ONE, MORE, TOLD)]
    asked = json.dumps(dict.fromkeys(LLAMA_CPP.values(), chats))
    done = subprocess.run(
        [sys.executable, "-c", ASK_LLAMA_CPP], input=asked, capture_output=True, text=True, check=True, timeout=60
    )
    return json.loads(done.stdout.splitlines()[-1])


def test_each_family_has_its_file_and_its_fixture_and_no_file_is_without_a_family() -> None:
    assert {file.stem for file in FOLDER.glob("*.jinja")} == set(BY_NAME) == set(FORMATS)
    assert len(BY_NAME) == len(FAMILIES)
    assert all(source.source for source in FORMATS.values())


@pytest.mark.parametrize("name", FORMATS)
def test_a_conversation_looks_as_the_family_published_it(renderer: Renderer, name: str) -> None:
    wanted, template = FORMATS[name], shipped(BY_NAME[name])
    texts = []
    for chat in (ONE, MORE, TOLD):
        rendered = renderer.render(template, chat, bos_text=wanted.bos, eos_text="<unused>")
        assert rendered.note == (MERGED if wanted.merged and chat is TOLD else None)
        texts.append(rendered.text)
    assert texts == [wanted.one, wanted.more, wanted.told]
    assert wanted.merged == (BY_NAME[name].system == "none")


@pytest.mark.parametrize("name", LLAMA_CPP)
def test_llama_cpp_gives_the_same_where_it_knows_the_format(
    renderer: Renderer, of_llama_cpp: dict[str, list[str]], name: str
) -> None:
    for chat, theirs in zip((ONE, MORE, TOLD), of_llama_cpp[LLAMA_CPP[name]], strict=True):
        if chat is not TOLD and name in {"vicuna", "deepseek-coder"}:
            continue  # these families publish a system message for when there is none, which llama.cpp leaves out
        ours = renderer.render(shipped(BY_NAME[name]), chat, bos_text="", eos_text="").text + "$"
        for mine, its in DIFFERENCES.get(name, []):
            ours = ours.replace(mine, its)
        assert ours.removesuffix("$") == theirs


def test_a_template_does_not_touch_what_is_said(renderer: Renderer) -> None:
    odd = "{{ 1 + 1 }}{% raise %} <b>“ ”</b>\u3000\U0001f600\n\n尾"
    for family in FAMILIES:
        asked = (type(ONE[0])("user", odd),)
        assert odd in renderer.render(shipped(family), asked, bos_text="", eos_text="").text


CHATML_TOKENS = {"<|im_start|>", "<|im_end|>"}
LLAMA3_TOKENS = {"<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"}


@pytest.mark.parametrize(
    ("tokens", "name", "architecture", "family", "reason"),
    [
        (LLAMA3_TOKENS, "my-finetune", "llama", "llama3", "tokens <|start_header_id|>"),
        (CHATML_TOKENS, "my-finetune", "llama", "chatml", "tokens <|im_start|>"),
        (CHATML_TOKENS, "Qwen2-7B-Instruct-Q4_K_M", "qwen2", "qwen", "its name says so"),
        (CHATML_TOKENS, "notes", "qwen2", "qwen", "its architecture is qwen2"),
        (CHATML_TOKENS, "Yi-34B-Chat", "llama", "yi", "its name says so"),
        (CHATML_TOKENS, "Qwen3-8B", "qwen3", "chatml", "its name says so"),
        (CHATML_TOKENS | {"<|im_sep|>"}, "x", "phi3", "phi4", "tokens"),
        (set(), "Wizard-Vicuna-13B-Uncensored.Q4_0", "llama", "vicuna", "the model's name says so"),
        (set(), "llama-2-7b-chat.Q4_K_M", "llama", "llama2", "name"),
        (set(), "codellama-13b-instruct", "llama", "llama2", "name"),
        (set(), "Llama2-Chinese-13b-Chat", "llama", "llama2-chinese", "name"),
        (set(), "chinese-alpaca-2-7b", "llama", "chinese-alpaca-2", "name"),
        (set(), "mixtral-8x7b-instruct-v0.1", "llama", "mistral-v1", "name"),
        (set(), "solar-10.7b-instruct-v1.0", "llama", "solar", "name"),
        ({"<|EOT|>"}, "deepseek-coder-6.7b-instruct", "llama", "deepseek-coder", "tokens <|EOT|>"),
        (set(), "RWKV-x060-World-3B", "rwkv6", "rwkv-world", "name"),
        (set(), "world", "rwkv7", "rwkv-world", "the model's architecture is rwkv7"),
        (set(), "baichuan2-7b-chat", "baichuan", "baichuan2", "name"),
        ({"[INST]", "[/INST]"}, "Mistral-7B-Instruct-v0.3", "llama", "mistral-v3", "name"),
        ({"[INST]", "[/INST]"}, "my-finetune", "llama", "mistral-v3", "tokens"),
        (
            CHATML_TOKENS | {"<｜User｜>", "<｜Assistant｜>"},
            "DeepSeek-R1-Distill-Qwen-7B",
            "qwen",
            "deepseek-v3",
            "name",
        ),
        ({"[INST]", "[/INST]"}, "Mistral-Nemo-Instruct-2407", "llama", "mistral-v3-tekken", "name"),
        (set(), "llama-2-7b", "llama", None, None),
        (set(), "tinystories", "llama", None, None),
    ],
)
def test_a_model_is_recognised_by_its_tokens_then_its_name_then_its_architecture(
    tokens: set[str], name: str, architecture: str, family: str | None, reason: str | None
) -> None:
    found, why = recognise(tokens.__contains__, (name,), architecture)
    assert (found.name if found else None) == family
    assert reason is None or reason in why


def test_the_models_own_template_wins_and_a_guess_is_told_as_one() -> None:
    def has(token: str) -> bool:
        return token in CHATML_TOKENS

    assert choose_template("{{ 'x' }}", has, names=("vicuna",)).source == "model"
    told = choose_template(None, lambda _: False, names=("Vicuna-7b",))
    assert told.source == "shipped: Vicuna, because the model's name says so"
    assert "</s>" in told.stops
    plain = choose_template("  ", lambda _: False, names=("x",), architecture="llama")
    assert plain.source.startswith("fallback: a plain dialogue, because")
    assert plain.stops == ("\nUser:",)

"""Families of chat templates that come along: how each is called, and what a model of it can be known by."""

from typing import Literal

import msgspec

SystemRole = Literal["role", "first user", "preamble", "none"]


class TemplateFamily(msgspec.Struct, frozen=True, kw_only=True):
    """One shipped template.

    Attributes:
        name: what the user types; the text is in `data/templates/NAME.jinja`.
        title: how people call it.
        stops: strings that end an answer, beside the model's end tokens.
        markers: special tokens that a vocabulary of this family has, every one of them; empty where it has none of
            its own.
        names: regular expressions, searched in a model's name and title, small letters.
        architectures: as GGUF files name them, where all chat models of one use this template.
        written: texts that templates of this family have in any template language; empty where `markers` are.
        system: what happens to a system message: it has a `role` of its own, stands in the `first user` message or
            in front of all as a `preamble`; `none` where the format says nothing, so that it joins the first user
            message.
    """

    name: str
    title: str
    stops: tuple[str, ...] = ()
    markers: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    architectures: tuple[str, ...] = ()
    written: tuple[str, ...] = ()
    system: SystemRole = "role"


FAMILIES: tuple[TemplateFamily, ...] = (
    TemplateFamily(
        name="chatml",
        title="ChatML",
        stops=("<|im_end|>",),
        markers=("<|im_start|>", "<|im_end|>"),
        names=("chatml", "hermes", "dolphin", "causallm", "qwen-?3"),
        architectures=("qwen3", "qwen3moe"),
    ),
    TemplateFamily(
        name="qwen",
        title="Qwen",
        stops=("<|im_end|>",),
        markers=("<|im_start|>", "<|im_end|>"),
        names=(r"(?<!distill-)qwen(?!-?3)", "xunzi"),
        architectures=("qwen", "qwen2", "qwen2moe"),
    ),
    TemplateFamily(
        name="yi",
        title="Yi",
        stops=("<|im_end|>",),
        markers=("<|im_start|>", "<|im_end|>"),
        names=(r"\byi\b.*chat",),
    ),
    TemplateFamily(
        name="internlm2",
        title="InternLM2",
        stops=("<|im_end|>",),
        markers=("<|im_start|>", "<|im_end|>"),
        names=("internlm-?[23]",),
        architectures=("internlm2",),
    ),
    TemplateFamily(
        name="phi4",
        title="Phi-4",
        stops=("<|im_end|>",),
        markers=("<|im_start|>", "<|im_sep|>", "<|im_end|>"),
        names=("phi-?4",),
    ),
    TemplateFamily(
        name="llama3",
        title="Llama 3",
        stops=("<|eot_id|>",),
        markers=("<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"),
        names=("llama-?3.*instruct",),
    ),
    TemplateFamily(
        name="chinese-alpaca-2",
        title="Chinese-Alpaca-2",
        names=("chinese.*alpaca-?2",),
        system="first user",
    ),
    TemplateFamily(
        name="llama2-chinese",
        title="Llama2-Chinese",
        stops=("\nHuman:", "</s>"),
        names=("llama-?2-chinese", "atom-7b"),
    ),
    TemplateFamily(
        name="llama2",
        title="Llama 2",
        stops=("[INST]",),
        names=("llama-?2.*chat", "code-?llama.*instruct"),
        system="first user",
        written=("[INST]", "<<SYS>>"),
    ),
    TemplateFamily(
        name="mistral-v7-tekken",
        title="Mistral v7 (Tekken)",
        markers=("[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]", "[INST]"),
        names=("mistral-small-3", r"small.*250\d", "devstral", "magistral"),
    ),
    TemplateFamily(
        name="mistral-v7",
        title="Mistral v7",
        markers=("[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]", "[INST]"),
        names=("mistral-large.*2411",),
    ),
    TemplateFamily(
        name="mistral-v3",
        title="Mistral v3",
        markers=("[INST]", "[/INST]"),
        names=(r"mistral.*instruct-v0\.3", "mixtral-8x22b.*instruct", "codestral"),
        system="none",
    ),
    TemplateFamily(
        name="mistral-v3-tekken",
        title="Mistral v3 (Tekken)",
        markers=("[INST]", "[/INST]"),
        names=("nemo", "ministral", "pixtral"),
        system="none",
    ),
    TemplateFamily(
        name="mistral-v1",
        title="Mistral v1",
        stops=("[INST]",),
        names=("mistral.*instruct", "mixtral.*instruct"),
        system="none",
        written=("[INST]",),
    ),
    TemplateFamily(
        name="alpaca",
        title="Alpaca",
        stops=("\n### Instruction:", "</s>"),
        names=("alpaca", "wizardcoder", "nous-hermes-llama"),
        system="preamble",
        written=("### Instruction:", "### Response:"),
    ),
    TemplateFamily(
        name="vicuna",
        title="Vicuna",
        stops=("USER:", "</s>"),
        names=("vicuna", "wizardlm", "airoboros"),
        system="preamble",
        written=("USER:", "ASSISTANT:"),
    ),
    TemplateFamily(
        name="zephyr",
        title="Zephyr",
        stops=("</s>", "<|user|>"),
        names=("zephyr", "tinyllama.*chat"),
        written=("<|user|>", "<|assistant|>", "</s>"),
    ),
    TemplateFamily(
        name="openchat",
        title="OpenChat 3.5",
        stops=("<|end_of_turn|>",),
        markers=("<|end_of_turn|>",),
        names=("openchat", "starling"),
        system="preamble",
        written=("GPT4 Correct User:",),
    ),
    TemplateFamily(
        name="solar",
        title="SOLAR",
        stops=("### User:", "</s>"),
        names=("solar.*instruct",),
        written=("### User:", "### Assistant:"),
    ),
    TemplateFamily(
        name="gemma",
        title="Gemma",
        stops=("<end_of_turn>",),
        markers=("<start_of_turn>", "<end_of_turn>"),
        names=(r"gemma.*it\b", r"codegemma.*it\b"),
        architectures=("gemma", "gemma2", "gemma3"),
        system="none",
    ),
    TemplateFamily(
        name="granite",
        title="Granite",
        stops=("<|end_of_text|>",),
        markers=("<|start_of_role|>", "<|end_of_role|>"),
        names=("granite",),
        architectures=("granite", "granitemoe"),
    ),
    TemplateFamily(
        name="phi3",
        title="Phi-3",
        stops=("<|end|>",),
        markers=("<|user|>", "<|assistant|>", "<|end|>"),
        names=("phi-?3",),
        architectures=("phi3",),
    ),
    TemplateFamily(
        name="glm4",
        title="GLM-4",
        stops=("<|user|>",),
        markers=("[gMASK]", "<sop>", "<|user|>", "<|assistant|>"),
        names=("glm-?4",),
        architectures=("glm4",),
    ),
    TemplateFamily(
        name="chatglm3",
        title="ChatGLM3",
        stops=("<|user|>",),
        markers=("[gMASK]", "sop", "<|user|>", "<|assistant|>"),
        names=("chatglm-?3",),
    ),
    TemplateFamily(
        name="chatglm2",
        title="ChatGLM2",
        stops=("\n\n[Round",),
        markers=("[gMASK]", "sop"),
        names=("chatglm-?2", "codegeex-?2"),
        system="none",
        written=("[Round", "问：", "答："),
    ),
    TemplateFamily(
        name="chatglm",
        title="ChatGLM",
        stops=("\n[Round",),
        names=("chatglm-6b",),
        system="none",
    ),
    TemplateFamily(
        name="deepseek-coder",
        title="DeepSeek Coder",
        stops=("<|EOT|>",),
        markers=("<|EOT|>",),
        names=("deepseek-?coder(?!-?v2).*instruct",),
        system="preamble",
        written=("### Instruction:", "### Response:", "<|EOT|>"),
    ),
    TemplateFamily(
        name="deepseek-v3",
        title="DeepSeek V3",
        stops=("<｜end▁of▁sentence｜>",),
        markers=("<｜User｜>", "<｜Assistant｜>"),
        names=("deepseek.*v3", "deepseek.*r1"),
        system="preamble",
    ),
    TemplateFamily(
        name="deepseek-v2",
        title="DeepSeek V2",
        stops=("<｜end▁of▁sentence｜>", "\n\nUser:"),
        names=("deepseek.*v2.*(?:chat|instruct)", "deepseek-llm.*chat"),
        architectures=("deepseek2",),
        system="preamble",
        written=("User: ", "Assistant:", "<｜end▁of▁sentence｜>"),
    ),
    TemplateFamily(
        name="command-r",
        title="Command-R",
        stops=("<|END_OF_TURN_TOKEN|>",),
        markers=("<|START_OF_TURN_TOKEN|>", "<|END_OF_TURN_TOKEN|>"),
        names=("command-?r", r"\baya\b"),
        architectures=("command-r", "cohere2"),
    ),
    TemplateFamily(
        name="rwkv-world",
        title="RWKV World",
        stops=("\n\nUser:",),
        names=("rwkv",),
        architectures=("rwkv6", "rwkv7", "rwkv6qwen2", "arwkv7"),
    ),
    TemplateFamily(
        name="moss",
        title="MOSS",
        stops=("<eom>", "<|Human|>:"),
        markers=("<eoh>", "<eom>"),
        names=(r"\bmoss\b",),
        system="preamble",
    ),
    TemplateFamily(
        name="baichuan2",
        title="Baichuan 2",
        stops=("<reserved_106>",),
        names=("baichuan-?2.*chat",),
        architectures=("baichuan",),
        system="preamble",
        written=("<reserved_106>", "<reserved_107>"),
    ),
    TemplateFamily(
        name="baichuan",
        title="Baichuan",
        stops=("<reserved_102>",),
        names=("baichuan-13b-chat",),
        system="preamble",
    ),
    TemplateFamily(
        name="bluelm",
        title="BlueLM",
        stops=("[|Human|]:", "</s>"),
        markers=("[|Human|]:", "[|AI|]:"),
        names=("bluelm.*chat",),
        system="none",
    ),
    TemplateFamily(
        name="skywork",
        title="Skywork",
        stops=("[SEP]", "[USER]"),
        markers=("[USER]", "[SEP]", "[BOT]"),
        names=("skywork.*chat",),
        system="none",
    ),
    TemplateFamily(
        name="chatyuan",
        title="ChatYuan",
        stops=("\n用户：",),
        names=("chatyuan",),
        system="none",
        written=("用户：", "小元："),
    ),
    TemplateFamily(
        name="minicpm",
        title="MiniCPM",
        stops=("<用户>",),
        markers=("<用户>", "<AI>"),
        names=("minicpm(?!-?3)",),
        architectures=("minicpm",),
        system="preamble",
    ),
    TemplateFamily(
        name="dialogue",
        title="A plain dialogue",
        stops=("\nUser:",),
        system="preamble",
    ),
)
"""In the order in which they are tried; where two share their special tokens, a name decides, else the first."""

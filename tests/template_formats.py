"""How each family's prompts look, written out by hand from where the family published its format.

Three conversations: ONE is a question, MORE a question, an answer and another question, TOLD is MORE behind a system
message. Each is rendered for an answer, with the family's begin token as its tokenizer writes it.
"""

from typing import NamedTuple

from llmtui.domain.messages import ChatMessage

ONE = (ChatMessage("user", "你好"),)
MORE = (ChatMessage("user", "你好"), ChatMessage("assistant", "你好！"), ChatMessage("user", "背诵《静夜思》 {x}"))
TOLD = (ChatMessage("system", "Be brief."), *MORE)


class Format(NamedTuple):
    """A family's rendering of the three conversations; `merged` where the system message joins the first question."""

    source: str
    bos: str
    one: str
    more: str
    told: str
    merged: bool = False


HF = "https://huggingface.co"
FASTCHAT = "https://github.com/lm-sys/FastChat/blob/0e6d3e4/fastchat/conversation.py"
COOKBOOK = "https://github.com/mistralai/cookbook/blob/main/concept-deep-dive/tokenization/chat_templates.md"
VICUNA = (
    "A chat between a curious user and an artificial intelligence assistant. "
    "The assistant gives helpful, detailed, and polite answers to the user's questions."
)
ALPACA = "Below is an instruction that describes a task. Write a response that appropriately completes the request."
CODER = (
    "You are an AI programming assistant, utilizing the Deepseek Coder model, developed by Deepseek Company, and you "
    "only answer questions related to computer science. For politically sensitive questions, security and privacy "
    "issues, and other non-computer science questions, you will refuse to answer"
)
HELPER = "You are a helpful assistant. 你是一个乐于助人的助手。"
_CHATML_ONE = "<|im_start|>user\n你好<|im_end|>\n<|im_start|>assistant\n"
_CHATML_MORE = (
    "<|im_start|>user\n你好<|im_end|>\n<|im_start|>assistant\n你好！<|im_end|>\n"
    "<|im_start|>user\n背诵《静夜思》 {x}<|im_end|>\n<|im_start|>assistant\n"
)
_CHATML_SYSTEM = "<|im_start|>system\nBe brief.<|im_end|>\n"
_QWEN = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"

FORMATS = {
    "chatml": Format(
        "https://github.com/openai/openai-python/blob/v0.27.0/chatml.md",
        "",
        _CHATML_ONE,
        _CHATML_MORE,
        _CHATML_SYSTEM + _CHATML_MORE,
    ),
    "qwen": Format(
        f"{HF}/Qwen/Qwen2-7B-Instruct/blob/main/tokenizer_config.json",
        "",
        _QWEN + _CHATML_ONE,
        _QWEN + _CHATML_MORE,
        _CHATML_SYSTEM + _CHATML_MORE,
    ),
    "yi": Format(f"{HF}/01-ai/Yi-34B-Chat", "", _CHATML_ONE, _CHATML_MORE, _CHATML_SYSTEM + _CHATML_MORE),
    "internlm2": Format(
        f"{HF}/internlm/internlm2-chat-7b/blob/main/tokenizer_config.json",
        "<s>",
        "<s>" + _CHATML_ONE,
        "<s>" + _CHATML_MORE,
        "<s>" + _CHATML_SYSTEM + _CHATML_MORE,
    ),
    "phi4": Format(
        f"{HF}/microsoft/phi-4",
        "",
        "<|im_start|>user<|im_sep|>你好<|im_end|><|im_start|>assistant<|im_sep|>",
        "<|im_start|>user<|im_sep|>你好<|im_end|><|im_start|>assistant<|im_sep|>你好！<|im_end|>"
        "<|im_start|>user<|im_sep|>背诵《静夜思》 {x}<|im_end|><|im_start|>assistant<|im_sep|>",
        "<|im_start|>system<|im_sep|>Be brief.<|im_end|>"
        "<|im_start|>user<|im_sep|>你好<|im_end|><|im_start|>assistant<|im_sep|>你好！<|im_end|>"
        "<|im_start|>user<|im_sep|>背诵《静夜思》 {x}<|im_end|><|im_start|>assistant<|im_sep|>",
    ),
    "llama3": Format(
        "https://www.llama.com/docs/model-cards-and-prompt-formats/meta-llama-3",
        "<|begin_of_text|>",
        "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\n你好<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\n",
        "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\n你好<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\n你好！<|eot_id|>"
        "<|start_header_id|>user<|end_header_id|>\n\n背诵《静夜思》 {x}<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\n",
        "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nBe brief.<|eot_id|>"
        "<|start_header_id|>user<|end_header_id|>\n\n你好<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\n你好！<|eot_id|>"
        "<|start_header_id|>user<|end_header_id|>\n\n背诵《静夜思》 {x}<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\n",
    ),
    "llama2": Format(
        f"{HF}/blog/llama2#how-to-prompt-llama-2",
        "<s>",
        "<s>[INST] 你好 [/INST]",
        "<s>[INST] 你好 [/INST] 你好！ </s><s>[INST] 背诵《静夜思》 {x} [/INST]",
        "<s>[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\n你好 [/INST] 你好！ </s><s>[INST] 背诵《静夜思》 {x} [/INST]",
    ),
    "chinese-alpaca-2": Format(
        f"https://github.com/ymcui/Chinese-LLaMA-Alpaca-2 and {FASTCHAT} (chinese-alpaca2)",
        "<s>",
        f"<s>[INST] <<SYS>>\n{HELPER}\n<</SYS>>\n\n你好 [/INST]",
        f"<s>[INST] <<SYS>>\n{HELPER}\n<</SYS>>\n\n你好 [/INST] 你好！ </s><s>[INST] 背诵《静夜思》 {{x}} [/INST]",
        "<s>[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\n你好 [/INST] 你好！ </s><s>[INST] 背诵《静夜思》 {x} [/INST]",
    ),
    "llama2-chinese": Format(
        "https://github.com/LlamaFamily/Llama-Chinese (README, chat_gradio.py)",
        "<s>",
        "<s>Human: 你好\n</s><s>Assistant: ",
        "<s>Human: 你好\n</s><s>Assistant: 你好！\n</s><s>Human: 背诵《静夜思》 {x}\n</s><s>Assistant: ",
        "<s>System: Be brief.\n</s><s>Human: 你好\n</s><s>Assistant: 你好！\n</s>"
        "<s>Human: 背诵《静夜思》 {x}\n</s><s>Assistant: ",
    ),
    "mistral-v1": Format(
        COOKBOOK,
        "<s>",
        "<s> [INST] 你好 [/INST]",
        "<s> [INST] 你好 [/INST] 你好！</s> [INST] 背诵《静夜思》 {x} [/INST]",
        "<s> [INST] Be brief.\n\n你好 [/INST] 你好！</s> [INST] 背诵《静夜思》 {x} [/INST]",
        True,
    ),
    "mistral-v3": Format(
        COOKBOOK,
        "<s>",
        "<s>[INST] 你好[/INST]",
        "<s>[INST] 你好[/INST] 你好！</s>[INST] 背诵《静夜思》 {x}[/INST]",
        "<s>[INST] Be brief.\n\n你好[/INST] 你好！</s>[INST] 背诵《静夜思》 {x}[/INST]",
        True,
    ),
    "mistral-v3-tekken": Format(
        COOKBOOK,
        "<s>",
        "<s>[INST]你好[/INST]",
        "<s>[INST]你好[/INST]你好！</s>[INST]背诵《静夜思》 {x}[/INST]",
        "<s>[INST]Be brief.\n\n你好[/INST]你好！</s>[INST]背诵《静夜思》 {x}[/INST]",
        True,
    ),
    "mistral-v7": Format(
        f"{HF}/mistralai/Mistral-Large-Instruct-2411#basic-instruct-template-v7",
        "<s>",
        "<s>[INST] 你好[/INST]",
        "<s>[INST] 你好[/INST] 你好！</s>[INST] 背诵《静夜思》 {x}[/INST]",
        "<s>[SYSTEM_PROMPT] Be brief.[/SYSTEM_PROMPT][INST] 你好[/INST] 你好！</s>[INST] 背诵《静夜思》 {x}[/INST]",
    ),
    "mistral-v7-tekken": Format(
        f"{HF}/mistralai/Mistral-Small-3.1-24B-Instruct-2503#basic-instruct-template-v7-tekken",
        "<s>",
        "<s>[INST]你好[/INST]",
        "<s>[INST]你好[/INST]你好！</s>[INST]背诵《静夜思》 {x}[/INST]",
        "<s>[SYSTEM_PROMPT]Be brief.[/SYSTEM_PROMPT][INST]你好[/INST]你好！</s>[INST]背诵《静夜思》 {x}[/INST]",
    ),
    "vicuna": Format(
        f"{FASTCHAT} (vicuna_v1.1)",
        "",
        f"{VICUNA} USER: 你好 ASSISTANT:",
        f"{VICUNA} USER: 你好 ASSISTANT: 你好！</s>USER: 背诵《静夜思》 {{x}} ASSISTANT:",
        "Be brief. USER: 你好 ASSISTANT: 你好！</s>USER: 背诵《静夜思》 {x} ASSISTANT:",
    ),
    "alpaca": Format(
        "https://github.com/tloen/alpaca-lora/blob/main/templates/alpaca.json; several turns: "
        "https://github.com/oobabooga/text-generation-webui user_data/instruction-templates/Alpaca.yaml",
        "",
        f"{ALPACA}\n\n### Instruction:\n你好\n\n### Response:\n",
        f"{ALPACA}\n\n### Instruction:\n你好\n\n### Response:\n你好！\n\n"
        "### Instruction:\n背诵《静夜思》 {x}\n\n### Response:\n",
        "Be brief.\n\n### Instruction:\n你好\n\n### Response:\n你好！\n\n"
        "### Instruction:\n背诵《静夜思》 {x}\n\n### Response:\n",
    ),
    "zephyr": Format(
        f"{HF}/HuggingFaceH4/zephyr-7b-beta",
        "",
        "<|user|>\n你好</s>\n<|assistant|>\n",
        "<|user|>\n你好</s>\n<|assistant|>\n你好！</s>\n<|user|>\n背诵《静夜思》 {x}</s>\n<|assistant|>\n",
        "<|system|>\nBe brief.</s>\n<|user|>\n你好</s>\n<|assistant|>\n你好！</s>\n"
        "<|user|>\n背诵《静夜思》 {x}</s>\n<|assistant|>\n",
    ),
    "gemma": Format(
        "https://ai.google.dev/gemma/docs/formatting",
        "<bos>",
        "<bos><start_of_turn>user\n你好<end_of_turn>\n<start_of_turn>model\n",
        "<bos><start_of_turn>user\n你好<end_of_turn>\n<start_of_turn>model\n你好！<end_of_turn>\n"
        "<start_of_turn>user\n背诵《静夜思》 {x}<end_of_turn>\n<start_of_turn>model\n",
        "<bos><start_of_turn>user\nBe brief.\n\n你好<end_of_turn>\n<start_of_turn>model\n你好！<end_of_turn>\n"
        "<start_of_turn>user\n背诵《静夜思》 {x}<end_of_turn>\n<start_of_turn>model\n",
        True,
    ),
    "phi3": Format(
        f"{HF}/microsoft/Phi-3-mini-4k-instruct#chat-format",
        "<s>",
        "<s><|user|>\n你好<|end|>\n<|assistant|>\n",
        "<s><|user|>\n你好<|end|>\n<|assistant|>\n你好！<|end|>\n<|user|>\n背诵《静夜思》 {x}<|end|>\n<|assistant|>\n",
        "<s><|system|>\nBe brief.<|end|>\n<|user|>\n你好<|end|>\n<|assistant|>\n你好！<|end|>\n"
        "<|user|>\n背诵《静夜思》 {x}<|end|>\n<|assistant|>\n",
    ),
    "chatglm": Format(
        f"{HF}/THUDM/chatglm-6b/blob/main/modeling_chatglm.py and {FASTCHAT} (chatglm)",
        "",
        "你好",
        "[Round 0]\n问：你好\n答：你好！\n[Round 1]\n问：背诵《静夜思》 {x}\n答：",
        "[Round 0]\n问：Be brief.\n\n你好\n答：你好！\n[Round 1]\n问：背诵《静夜思》 {x}\n答：",
        True,
    ),
    "chatglm2": Format(
        f"{HF}/THUDM/chatglm2-6b/blob/main/modeling_chatglm.py (its tokenizer adds [gMASK]sop) and {FASTCHAT}",
        "",
        "[gMASK]sop[Round 1]\n\n问：你好\n\n答：",
        "[gMASK]sop[Round 1]\n\n问：你好\n\n答：你好！\n\n[Round 2]\n\n问：背诵《静夜思》 {x}\n\n答：",
        "[gMASK]sop[Round 1]\n\n问：Be brief.\n\n你好\n\n答：你好！\n\n[Round 2]\n\n问：背诵《静夜思》 {x}\n\n答：",
        True,
    ),
    "chatglm3": Format(
        "https://github.com/THUDM/ChatGLM3/blob/main/PROMPT.md and its tokenizer_config.json",
        "",
        "[gMASK]sop<|user|>\n 你好<|assistant|>",
        "[gMASK]sop<|user|>\n 你好<|assistant|>\n 你好！<|user|>\n 背诵《静夜思》 {x}<|assistant|>",
        "[gMASK]sop<|system|>\n Be brief."
        "<|user|>\n 你好<|assistant|>\n 你好！<|user|>\n 背诵《静夜思》 {x}<|assistant|>",
    ),
    "glm4": Format(
        f"{HF}/THUDM/glm-4-9b-chat/blob/main/tokenizer_config.json",
        "",
        "[gMASK]<sop><|user|>\n你好<|assistant|>",
        "[gMASK]<sop><|user|>\n你好<|assistant|>\n你好！<|user|>\n背诵《静夜思》 {x}<|assistant|>",
        "[gMASK]<sop><|system|>\nBe brief.<|user|>\n你好<|assistant|>\n你好！<|user|>\n背诵《静夜思》 {x}<|assistant|>",
    ),
    "deepseek-coder": Format(
        f"https://github.com/deepseek-ai/DeepSeek-Coder#chat-model-inference and {FASTCHAT} (deepseek-coder)",
        "<｜begin▁of▁sentence｜>",
        f"<｜begin▁of▁sentence｜>{CODER}\n### Instruction:\n你好\n### Response:\n",
        f"<｜begin▁of▁sentence｜>{CODER}\n### Instruction:\n你好\n### Response:\n你好！\n<|EOT|>\n"
        "### Instruction:\n背诵《静夜思》 {x}\n### Response:\n",
        "<｜begin▁of▁sentence｜>Be brief.\n### Instruction:\n你好\n### Response:\n你好！\n<|EOT|>\n"
        "### Instruction:\n背诵《静夜思》 {x}\n### Response:\n",
    ),
    "deepseek-v2": Format(
        f"{HF}/deepseek-ai/DeepSeek-V2-Chat#how-to-run-locally",
        "<｜begin▁of▁sentence｜>",
        "<｜begin▁of▁sentence｜>User: 你好\n\nAssistant:",
        "<｜begin▁of▁sentence｜>User: 你好\n\nAssistant: 你好！<｜end▁of▁sentence｜>"
        "User: 背诵《静夜思》 {x}\n\nAssistant:",
        "<｜begin▁of▁sentence｜>Be brief.\n\nUser: 你好\n\nAssistant: 你好！<｜end▁of▁sentence｜>"
        "User: 背诵《静夜思》 {x}\n\nAssistant:",
    ),
    "deepseek-v3": Format(
        f"{HF}/deepseek-ai/DeepSeek-V3/blob/main/tokenizer_config.json",
        "<｜begin▁of▁sentence｜>",
        "<｜begin▁of▁sentence｜><｜User｜>你好<｜Assistant｜>",
        "<｜begin▁of▁sentence｜><｜User｜>你好<｜Assistant｜>你好！<｜end▁of▁sentence｜>"
        "<｜User｜>背诵《静夜思》 {x}<｜Assistant｜>",
        "<｜begin▁of▁sentence｜>Be brief.<｜User｜>你好<｜Assistant｜>你好！<｜end▁of▁sentence｜>"
        "<｜User｜>背诵《静夜思》 {x}<｜Assistant｜>",
    ),
    "command-r": Format(
        "https://docs.cohere.com/docs/command-r-hf",
        "<BOS_TOKEN>",
        "<BOS_TOKEN><|START_OF_TURN_TOKEN|><|USER_TOKEN|>你好<|END_OF_TURN_TOKEN|>"
        "<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>",
        "<BOS_TOKEN><|START_OF_TURN_TOKEN|><|USER_TOKEN|>你好<|END_OF_TURN_TOKEN|>"
        "<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>你好！<|END_OF_TURN_TOKEN|>"
        "<|START_OF_TURN_TOKEN|><|USER_TOKEN|>背诵《静夜思》 {x}<|END_OF_TURN_TOKEN|>"
        "<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>",
        "<BOS_TOKEN><|START_OF_TURN_TOKEN|><|SYSTEM_TOKEN|>Be brief.<|END_OF_TURN_TOKEN|>"
        "<|START_OF_TURN_TOKEN|><|USER_TOKEN|>你好<|END_OF_TURN_TOKEN|>"
        "<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>你好！<|END_OF_TURN_TOKEN|>"
        "<|START_OF_TURN_TOKEN|><|USER_TOKEN|>背诵《静夜思》 {x}<|END_OF_TURN_TOKEN|>"
        "<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>",
    ),
    "solar": Format(
        f"{HF}/upstage/SOLAR-10.7B-Instruct-v1.0",
        "",
        "### User:\n你好\n\n### Assistant:\n",
        "### User:\n你好\n\n### Assistant:\n你好！\n\n### User:\n背诵《静夜思》 {x}\n\n### Assistant:\n",
        "### System:\nBe brief.\n\n### User:\n你好\n\n### Assistant:\n你好！\n\n"
        "### User:\n背诵《静夜思》 {x}\n\n### Assistant:\n",
    ),
    "rwkv-world": Format(
        f"{HF}/BlinkDL/rwkv-6-world#prompt",
        "",
        "User: 你好\n\nAssistant:",
        "User: 你好\n\nAssistant: 你好！\n\nUser: 背诵《静夜思》 {x}\n\nAssistant:",
        "System: Be brief.\n\nUser: 你好\n\nAssistant: 你好！\n\nUser: 背诵《静夜思》 {x}\n\nAssistant:",
    ),
    "moss": Format(
        "https://github.com/OpenLMLab/MOSS (README; what it calls the meta instruction is the system message)",
        "",
        "<|Human|>: 你好<eoh>\n<|MOSS|>:",
        "<|Human|>: 你好<eoh>\n<|MOSS|>: 你好！<eom>\n<|Human|>: 背诵《静夜思》 {x}<eoh>\n<|MOSS|>:",
        "Be brief.\n<|Human|>: 你好<eoh>\n<|MOSS|>: 你好！<eom>\n<|Human|>: 背诵《静夜思》 {x}<eoh>\n<|MOSS|>:",
    ),
    "baichuan": Format(
        f"{HF}/baichuan-inc/Baichuan-13B-Chat/blob/main/generation_config.json and {FASTCHAT} (baichuan-chat)",
        "",
        "<reserved_102>你好<reserved_103>",
        "<reserved_102>你好<reserved_103>你好！<reserved_102>背诵《静夜思》 {x}<reserved_103>",
        "Be brief.<reserved_102>你好<reserved_103>你好！<reserved_102>背诵《静夜思》 {x}<reserved_103>",
    ),
    "baichuan2": Format(
        f"{HF}/baichuan-inc/Baichuan2-13B-Chat/blob/main/generation_utils.py and {FASTCHAT} (baichuan2-chat)",
        "",
        "<reserved_106>你好<reserved_107>",
        "<reserved_106>你好<reserved_107>你好！<reserved_106>背诵《静夜思》 {x}<reserved_107>",
        "Be brief.<reserved_106>你好<reserved_107>你好！<reserved_106>背诵《静夜思》 {x}<reserved_107>",
    ),
    "bluelm": Format(
        "https://github.com/vivo-ai-lab/BlueLM (README, web_demo.py)",
        "",
        "[|Human|]:你好[|AI|]:",
        "[|Human|]:你好[|AI|]:你好！</s>[|Human|]:背诵《静夜思》 {x}[|AI|]:",
        "[|Human|]:Be brief.\n\n你好[|AI|]:你好！</s>[|Human|]:背诵《静夜思》 {x}[|AI|]:",
        True,
    ),
    "skywork": Format(
        "https://github.com/SkyworkAI/Skywork (README, special_encode)",
        "",
        "</s><s>[USER]你好[SEP][BOT]",
        "</s><s>[USER]你好[SEP][BOT]你好！[SEP]</s><s>[USER]背诵《静夜思》 {x}[SEP][BOT]",
        "</s><s>[USER]Be brief.\n\n你好[SEP][BOT]你好！[SEP]</s><s>[USER]背诵《静夜思》 {x}[SEP][BOT]",
        True,
    ),
    "chatyuan": Format(
        f"{HF}/ClueAI/ChatYuan-large-v2",
        "",
        "用户：你好\n小元：",
        "用户：你好\n小元：你好！\n用户：背诵《静夜思》 {x}\n小元：",
        "用户：Be brief.\n\n你好\n小元：你好！\n用户：背诵《静夜思》 {x}\n小元：",
        True,
    ),
    "openchat": Format(
        f"{HF}/openchat/openchat-3.5-0106#conversation-templates",
        "<s>",
        "<s>GPT4 Correct User: 你好<|end_of_turn|>GPT4 Correct Assistant:",
        "<s>GPT4 Correct User: 你好<|end_of_turn|>GPT4 Correct Assistant: 你好！<|end_of_turn|>"
        "GPT4 Correct User: 背诵《静夜思》 {x}<|end_of_turn|>GPT4 Correct Assistant:",
        "<s>Be brief.<|end_of_turn|>GPT4 Correct User: 你好<|end_of_turn|>GPT4 Correct Assistant: 你好！<|end_of_turn|>"
        "GPT4 Correct User: 背诵《静夜思》 {x}<|end_of_turn|>GPT4 Correct Assistant:",
    ),
    "minicpm": Format(
        f"{HF}/openbmb/MiniCPM-2B-sft-bf16",
        "",
        "<用户>你好<AI>",
        "<用户>你好<AI>你好！<用户>背诵《静夜思》 {x}<AI>",
        "Be brief.<用户>你好<AI>你好！<用户>背诵《静夜思》 {x}<AI>",
    ),
    "granite": Format(
        f"{HF}/ibm-granite/granite-3.0-8b-instruct",
        "",
        "<|start_of_role|>user<|end_of_role|>你好<|end_of_text|>\n<|start_of_role|>assistant<|end_of_role|>",
        "<|start_of_role|>user<|end_of_role|>你好<|end_of_text|>\n"
        "<|start_of_role|>assistant<|end_of_role|>你好！<|end_of_text|>\n"
        "<|start_of_role|>user<|end_of_role|>背诵《静夜思》 {x}<|end_of_text|>\n"
        "<|start_of_role|>assistant<|end_of_role|>",
        "<|start_of_role|>system<|end_of_role|>Be brief.<|end_of_text|>\n"
        "<|start_of_role|>user<|end_of_role|>你好<|end_of_text|>\n"
        "<|start_of_role|>assistant<|end_of_role|>你好！<|end_of_text|>\n"
        "<|start_of_role|>user<|end_of_role|>背诵《静夜思》 {x}<|end_of_text|>\n"
        "<|start_of_role|>assistant<|end_of_role|>",
    ),
    "dialogue": Format(
        "llmtui's own, for models without a format",
        "",
        "User: 你好\nAssistant:",
        "User: 你好\nAssistant: 你好！\nUser: 背诵《静夜思》 {x}\nAssistant:",
        "Be brief.\n\nUser: 你好\nAssistant: 你好！\nUser: 背诵《静夜思》 {x}\nAssistant:",
    ),
}

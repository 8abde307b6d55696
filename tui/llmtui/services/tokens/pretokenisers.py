r"""How a text is split into words before bytes are merged, by the name a model gives its rule.

Each rule is a chain of patterns. The first one cuts the text into its matches and what lies between them; the next
one cuts every piece in the same way, and sees nothing but the piece. The patterns are those that the model families
publish with their tokenisers, in the reading of llama.cpp, which tells letters from other characters but not upper
from lower case beyond ASCII. A name that is not here is counted by the rule of thumb.
"""

from typing import NamedTuple

_SUFFIX = r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])"
_SPACES = r"\s*[\r\n]+|\s+(?!\S)|\s+"
_GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)"
_WORD = r"[^\r\n\p{L}\p{N}]?\p{L}+"
_SIGNS = r" ?[^\s\p{L}\p{N}]+[\r\n]*"
_LLAMA3 = rf"{_SUFFIX}|{_WORD}|\p{{N}}{{1,3}}|{_SIGNS}|{_SPACES}"
_QWEN2 = rf"{_SUFFIX}|{_WORD}|\p{{N}}|{_SIGNS}|{_SPACES}"
_QWEN35 = rf"{_SUFFIX}|[^\r\n\p{{L}}\p{{N}}]?[\p{{L}}\p{{M}}]+|\p{{N}}| ?[^\s\p{{L}}\p{{M}}\p{{N}}]+[\r\n]*|{_SPACES}"
_CAMEL = (
    r"[^\r\n\p{L}\p{N}]?[\p{L}&&[^a-z]]*[\p{L}&&[^A-Z]]+SUFFIX|"
    r"[^\r\n\p{L}\p{N}]?[\p{L}&&[^a-z]]+[\p{L}&&[^A-Z]]*SUFFIX"
)
_SLASHED = rf" ?[^\s\p{{L}}\p{{N}}]+[\r\n/]*|{_SPACES}"
_TEKKEN = rf"{_CAMEL.replace('SUFFIX', '')}|\p{{N}}|{_SLASHED}"
_GPT4O = rf"{_CAMEL.replace('SUFFIX', _SUFFIX + '?')}|\p{{N}}{{1,3}}|{_SLASHED}"
_GRANITE = _GPT4O.replace(r"[\p{L}&&", r"[[\p{L}\p{M}]&&")
_KANJI = "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+"
_DEEPSEEK_WORD = (
    r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+"""
)
_DEEPSEEK3 = rf"{_DEEPSEEK_WORD}[\r\n]*|{_SPACES}"
_SPARK = rf"{_DEEPSEEK_WORD}|[\r\n]|\s+(?!\S)|\s+"
_DEEPSEEK_CJK = r"(?:(?!\s)[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff])+"
"""llama.cpp puts a plain space in place of wide and other foreign ones before it looks for these, and for the signs."""
_DEEPSEEK_LETTERS = (
    r"\s?[A-Za-z"
    "\u00b5\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u01ba\u01bc-\u01bf\u01c4-\u0293\u0295-\u02af\u0370-\u0373\u0376"
    "\u0377\u037b-\u037d\u037f\u0386\u0388-\u038a\u038c\u038e-\u03a1\u03a3-\u03f5\u03f7-\u0481\u048a-\u052f"
    "\u0531-\u0556\u10a0-\u10c5\u13a0-\u13f5\u13f8-\u13fd\u1c90-\u1cba\u1cbd-\u1cbf\u1d00-\u1d2b\u1d6b-\u1d77"
    "\u1d79-\u1d9a\u1e00-\u1f15\u1f18-\u1f1d\u1f20-\u1f45\u1f48-\u1f4d\u1f50-\u1f57\u1f59\u1f5b\u1f5d"
    "\u1f5f-\u1f7d\u1f80-\u1fb4\u1fb6-\u1fbc\u1fbe\u1fc2-\u1fc4\u1fc6-\u1fcc\u1fd0-\u1fd3\u1fd6-\u1fdb"
    "\u1fe0-\u1fec\u1ff2-\u1ff4\u1ff6-\u1ffc\u2102\u2107\u210a-\u2113\u2115\u2119-\u211d\u2124\u2126\u2128"
    "\u212a-\u212d\u212f-\u2134\u2139\u213c-\u213f\u2145-\u2149\u214e\u2183\u2184\u2c00-\u2c7b\u2c7e-\u2ce4"
    "\u2ceb-\u2cee\u2cf2\u2cf3\ua640-\ua66d\ua680-\ua69b\ua722-\ua76f\ua771-\ua787\ua78b-\ua78e\uab70-\uabbf"
    "\ufb00-\ufb06\ufb13-\ufb17\uff21-\uff3a\uff41-\uff5a\U00010400-\U0001044f\U000104b0-\U000104d3"
    "\U000104d8-\U000104fb\U00010c80-\U00010cb2\U00010cc0-\U00010cf2\U000118a0-\U000118df\U0001e900-\U0001e943"
    "]+"
)
_DEEPSEEK_SIGNS = r"\s?[!-/:-~\uff01-\uff0f\uff1a-\uff5e\u2018-\u201f\u3001\u3002]+"
_BLOOM = r" ?[^(\s|.,!?…。，、।۔،)]+"


class Pretokeniser(NamedTuple):
    """A rule: its chain of patterns, and whether a word that is a token stays whole without being merged."""

    patterns: tuple[str, ...]
    keeps_words: bool = False


_RULES: dict[str, Pretokeniser] = {
    "default": Pretokeniser((r"[\p{P}\$\+<=>\^~\|]+", _GPT2, r"\p{N}+", "[0-9][0-9][0-9]")),
    "llama-bpe llama3 llama-v3 falcon3 falcon-h1 pixtral midm-2.0 lfm2 jina-v5-nano glm4 glm5": Pretokeniser(
        (_LLAMA3,), keeps_words=True
    ),
    "dbrx smaug-bpe chatglm-bpe": Pretokeniser((_LLAMA3,)),
    "qwen2 deepseek-r1-qwen kormo f2llmv2 stablelm2 megrez hunyuan grok-2 solar-open": Pretokeniser((_QWEN2,)),
    "qwen35": Pretokeniser((_QWEN35,)),
    "ufakzeka": Pretokeniser((_QWEN2.removeprefix(_SUFFIX + "|"),)),
    "laguna": Pretokeniser((r"[^\n]+|\n+", _QWEN2)),
    "minicpm5": Pretokeniser((r"\p{N}{1,3}", _QWEN2.replace(r"|\p{N}|", r"|\p{N}+|")), keeps_words=True),
    "seed-coder": Pretokeniser((rf"{_SUFFIX}|{_WORD}|\p{{N}}| ?[^\s\p{{L}}\p{{N}}\r\n]+|{_SPACES}",)),
    "bailingmoe bailingmoe2 llada-moe": Pretokeniser(
        (rf"'(?:[sSdDmMtT]|[lL][lL]|[vV][eE]|[rR][eE])|{_WORD}|\p{{N}}|{_SIGNS}|\s*[\r\n]|\s+(?!\S)|\s+",)
    ),
    "gpt-2 phi-2 jina-es jina-de gigachat jina-v2-es jina-v2-de a.x-4.0 mellum modern-bert mpt olmo jais trillion "
    "granite-docling exaone4 jina-v1-en jina-v2-code roberta-bpe": Pretokeniser((_GPT2,)),
    "starcoder refact command-r smollm codeshell exaone minerva-7b mellum2": Pretokeniser((r"\p{N}", _GPT2)),
    "falcon": Pretokeniser((r"[\p{P}\$\+<=>\^~\|`]+", _GPT2, "[0-9][0-9][0-9]")),
    "deepseek-llm": Pretokeniser((r"[\r\n]", _DEEPSEEK_LETTERS, _DEEPSEEK_SIGNS, r"\s+$", _DEEPSEEK_CJK, r"\p{N}+")),
    "deepseek-coder": Pretokeniser((r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", _DEEPSEEK_CJK, r"\p{N}")),
    "deepseek-v3 hunyuan-dense joyai-llm hy_v4": Pretokeniser((r"\p{N}{1,3}", _KANJI, _DEEPSEEK3)),
    "spark2_5": Pretokeniser((r"\p{N}{1,3}", _KANJI, _SPARK, r"\p{N}")),
    "tekken": Pretokeniser((_TEKKEN,), keeps_words=True),
    "gpt-4o llama4 kanana2 talkie minimax-m2": Pretokeniser((_GPT4O,)),
    "granite-embed-multi-97m": Pretokeniser((_GRANITE,), keeps_words=True),
    "poro-chat bloom gpt3-finnish": Pretokeniser((_BLOOM,)),
    "viking": Pretokeniser((_BLOOM, r"\p{N}")),
    "chameleon": Pretokeniser(
        (
            "<sentinel:[0-9]+>",
            "(?:IMGIMG)(?:[A-I]{1,4})Z",
            r"[\t\n]|    |  ",
            r"\p{N}",
            r"[\p{P}!-/:-@\[-`{-~]",
            _GPT2,
        )
    ),
}

PRETOKENISERS: dict[str, Pretokeniser] = {name: rule for names, rule in _RULES.items() for name in names.split()}
"""By the value of `tokenizer.ggml.pre`; the empty name, of older files, is llama.cpp's default."""
PRETOKENISERS[""] = PRETOKENISERS["default"]

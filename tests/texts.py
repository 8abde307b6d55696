"""Texts that tokenisers trip over."""

NASTY = [
    "Hello, world! It's 12345 o'clock, they'LL say; we'Ve DON'T isn't 's 't.",
    "  two   three    four\t\ttabs \t mixed \n\n\n lines\r\n\r\rreturns \n \n  end  ",
    "你好，世界。今天天气怎么样？「引号」（括号）……——、中文English混排123测试",
    "日本語のテキストとカタカナ、한국어 문장도 있습니다. ไทย ภาษา हिन्दी नमस्ते العربية עברית",
    "👩‍👩‍👧‍👦 🏳️‍🌈 👍🏽 🇨🇳 e\u0301 a\u0308o\u0302 n\u0303 \u0301\u0302 Z̸a͓l̷go",
    "1 22 333 4444 55555 3.14159 1,000,000 ２３４ ①②Ⅷ ½ ٣٤٥",
    "if (x >= 10) { return a[i] != b->c ? \"yes\" : 'no'; } // #include <stdio.h> $PATH ~/bin `ls` ^_^ |x|",
    "a\x00b\x01\x1b[31m\x7f\x85\x9b \xa0nbsp\u2003em\u2028line\u3000wide\ufeffbom\u200bzero \x1c\x1f",
    "camelCaseWords HTTPServer XMLHttpRequest ÀÉÎ Straße ΣΊΣΥΦΟΣ привет МИР ﬁn Ǆ ʰ ªº",
    "\n",
    " ",
    "  ",
    "\t",
    "\r\n",
    "'",
    "''s",
    "x" * 300,
    " " * 70 + "x",
    "\n" * 40,
    "=" * 90,
    "9" * 50,
    "的" * 60,
    "/path/to/file.txt?query=1&b=%20#frag user@host.example --flag=on",
    "IMGIMGABCZ <sentinel:12> <|im_start|>user\nhi<|im_end|>\n<|endoftext|> <|not special|> <|im_start",
]

PROSE = {
    "english": "The old harbour was quiet that morning, although the market had opened an hour before. Two fishermen "
    "sat on the wall and talked about the weather, which had been unusually mild for the season. " * 3,
    "code": "def total(rows: list[dict[str, int]]) -> int:\n    result = 0\n    for row in rows:\n"
    "        if row['price'] is None:\n            continue\n        result += row['price']\n    return result\n" * 3,
    "chinese": "昨天下午，我和朋友去公园散步，看见许多老人在湖边下棋，孩子们在草地上放风筝。天气虽然有点冷，但是阳光"
    "很好，大家都很高兴。人工智能正在改变我们的生活方式，也带来了新的问题：数据隐私如何保护？" * 3,
    "mixed": "用 Python 写一个函数 def add(a, b)，要求处理 None，并用 pytest 测试；部署到 Docker 里，然后写 README。"
    * 3,
    "japanese": "昨日の午後、友達と公園を散歩しました。天気は少し寒かったですが、とても楽しかったです。" * 3,
    "russian": "Вчера днём мы с другом гуляли в парке. Погода была прохладной, но солнечной. " * 3,
    "digits": "2024-11-20 19:28:27 1234567 3.14159 99.5% 10,000 " * 5,
}

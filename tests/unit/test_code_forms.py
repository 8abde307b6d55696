"""Where the code is in an answer: what chatty, cut off and badly indented answers come to."""

import pytest
from unit.sandbox_bench import LIMITS

from llmtui.domain.prompt_set import Sample
from llmtui.domain.scorers import Case, UnitTests
from llmtui.services.sandbox.bubblewrap import Bubblewrap
from llmtui.services.scoring.code import blocks, forms_of
from llmtui.services.scoring.unit_tests import unit_tests

PROMPT = 'import math\n\ndef f(x):\n    """Twice x."""\n'
CODE = "def f(x):\n    return 2 * x"
WRONG = "def f(x):\n    return 3 * x"
USE = "print(f(2))\nf(undefined)"


def passes(sandbox: Bubblewrap, answer: str, **more: object) -> bool:
    sample = Sample(id="a", mode="text", text=PROMPT, prefix="def f(x):\n    y = 2\n", suffix="    return y * z\n")
    scorer = UnitTests(entry_point="f", tests=(Case(args=(2,), expect=4),), limits=LIMITS, **more)  # type: ignore[arg-type]
    return unit_tests(scorer, answer, sample, sandbox).passed


@pytest.mark.parametrize(
    "answer",
    [
        CODE,
        f"```python\n{CODE}\n```",
        f"```\n{CODE}\n```",
        f"~~~py\n{CODE}\n~~~",
        f"````python\n{CODE}\n````",
        f"Sure! Here it is:\n\n```python\n{CODE}\n```\n\nUse it like this:\n\n```python\n{USE}\n```\nEnjoy!",
        f"First try:\n```python\n{WRONG}\n```\nThat is wrong. Better:\n```python\n{CODE}\n```",
        f"```python\n{CODE}",
        f"Install:\n```bash\npip install f\n```\n```python\n{CODE}\n```\n```text\nf = 4\n```",
        "1. So:\n   ```python\n   def f(x):\n       return 2 * x\n   ```",
        f"<think>```python\n{WRONG}\n```</think>```python\n{CODE}\n```",
        f"Here is the function:\n\n{CODE}\n\nIt doubles x.",
        f"```python\n{CODE}\n```".replace("\n", "\r\n"),
        "```python\ndef helper(x):\n    return 2 * x\n```\nand\n```python\nf = helper\n```",
        "```python\nclass Solution:\n    pass\n\nf = lambda x: 2 * x\n```",
        "好的，代码如下：\n```python\ndef f(x):\n    return 2 * x  # 两倍\n```\n希望对你有帮助！",
    ],
)
def test_answers_that_are_right_pass(sandbox: Bubblewrap, answer: str) -> None:
    assert passes(sandbox, answer)


@pytest.mark.parametrize(
    "answer",
    [
        "    return 2 * x\n",
        "\n    return 2 * x",
        "return 2 * x",
        "    y = 2\n    return y * x",
        "y = 2\nreturn y * x",
        "if x:\n    return 2 * x\nreturn 0",
        "    return math.ceil(2 * x)",
        "    return 2 * x\n\ndef g(x):\n    return unfini",
        "    return 2 * x\n```\nThis doubles x.",
        f"{PROMPT}    return 2 * x\n",
        f"```python\n{PROMPT}    return 2 * x\n```\nThis doubles x.",
        "def f(x):\n    return math.ceil(2 * x)",
        "```python\nreturn 2 * x\n```",
        "```python\n    return 2 * x\n```",
    ],
)
def test_continuations_that_are_right_pass(sandbox: Bubblewrap, answer: str) -> None:
    assert passes(sandbox, answer, assemble="continuation")
    assert not passes(sandbox, answer.replace("2 * x", "3 * x").replace("y * x", "x"), assemble="continuation")


@pytest.mark.parametrize(
    "answer",
    [
        "    z = x\n",
        "    z = x",
        "z = x",
        "```python\nz = x\n```",
        "```python\n    z = x\n```",
        "    if x:\n        z = x\n",
        "if x:\n    z = x",
        f"```python\n{CODE}\n```",
    ],
)
def test_fillings_that_are_right_pass(sandbox: Bubblewrap, answer: str) -> None:
    assert passes(sandbox, answer, assemble="infill")


@pytest.mark.parametrize("answer", ["", " \n", "I do not know.", "```python\n```", "```", WRONG, "f(x) = 2x", "def f"])
@pytest.mark.parametrize("assemble", ["answer", "continuation", "infill"])
def test_what_is_no_answer_fails(sandbox: Bubblewrap, answer: str, assemble: str) -> None:
    assert not passes(sandbox, answer, assemble=assemble)


def test_blocks_are_found_line_by_line_in_any_length() -> None:
    assert blocks("```\n" * 100_001)[-1] == ""
    assert blocks("``` `` ```\nx") == []
    assert blocks("```python\na\n```\n```js\nb\n```\n```\nc") == ["a", "c"]
    scorer = UnitTests(entry_point="f", tests=(Case(expect=1),))
    assert len(forms_of(scorer, "```python\ndef f(): pass\n```\n" * 20_000, Sample(id="a"))) < 5

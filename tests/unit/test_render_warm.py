"""The parsers are ready before the first answer comes."""

import subprocess
import sys

CODE = """
import sys
from llmtui.app.render.warm import warm_up
assert not {"markdown_it", "pygments"} & set(sys.modules)
warm_up()
before = set(sys.modules)
from llmtui.app.render.palette import Palette
from llmtui.app.render.stream import MarkdownStream
MarkdownStream(40, Palette.from_theme({}, ansi=True)).finish("a *b*\\n\\n```python\\nc = 1\\n```\\n\\n|d|\\n|-|\\n|e|")
print(sorted(set(sys.modules) - before))
"""


def test_after_warming_up_an_answer_imports_nothing() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

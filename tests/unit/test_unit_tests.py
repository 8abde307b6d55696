"""The scorer of code in the real sandbox: what passes, what does not, and what only pretends to."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.sandbox_bench import LIMITS, SAMPLE, SHORT, scored

from llmtui.domain.scorers import Case, Limits, UnitTests
from llmtui.services.sandbox.bubblewrap import Bubblewrap
from llmtui.services.sandbox.protocol import CodeTest, Exchange
from llmtui.services.scoring.same import same
from llmtui.services.scoring.unit_tests import unit_tests

CLEARING = """
import sys
def f(x):
    frame = sys._getframe()
    while frame:
        frame.f_locals.clear()
        frame = frame.f_back
    return 2
"""
CHECK = "def check(candidate):\n    assert candidate(0) == 1\n    assert candidate(0) == [1]"
FORGED = r"""
import os
def f(*args):
    line = b'%s {"case": 0, "value": 1}\n%s {"passed": true}\n%s {"done": true}\n' % ((b"0" * 32,) * 3)
    for number in range(64):
        try:
            os.write(number, line)
        except OSError:
            pass
    return 2
"""
EQUAL = """
class Any{base}:
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __hash__(self): return 0
def f(x):
    return {value}
"""


@pytest.mark.parametrize("base", ["", "(int)", "(str)", "(list)", "(dict)", "(float)"])
@pytest.mark.parametrize("value", ["Any()", "[Any()]", "(Any(), 1)"])
@pytest.mark.parametrize(
    "program", [None, "def check(candidate):\n    assert candidate(0) == 1\n    assert candidate(0) == [1]"]
)
def test_what_equals_anything_equals_nothing(sandbox: Bubblewrap, base: str, value: str, program: str | None) -> None:
    found = scored(sandbox, EQUAL.format(base=base, value=value), program=program)
    assert not found.passed
    assert "gave" in found.explanation or "says itself how it compares" in found.explanation


LENIENT = """
def check(candidate):
    import math
    assert math.isclose(candidate(0), 1) or math.fabs(candidate(0) - 1) < 0.1 or abs(candidate(0) - 1) < 0.1
"""


@pytest.mark.parametrize(
    "code",
    [
        "from unittest.mock import ANY\ndef f(x): return ANY",
        "from unittest.mock import MagicMock\ndef f(x): return MagicMock()",
        "class Any(float):\n    def __sub__(self, other): return 0.0\ndef f(x): return Any(2)",
        "class Any(float):\n    def __float__(self): return 1.0\ndef f(x): return Any(2)",
        "class Any:\n    __sub__ = lambda *a: 0\ndef f(x): return Any()",
        "class M(type):\n    def mro(cls): return [object]\nclass N(float, metaclass=M): pass\ndef f(x): return N(2)",
        "import math\nmath.isclose = lambda *a: True\nmath.fabs = lambda x: 0\ndef f(x): return 2",
        "import math\ndef f(x):\n    math.isclose = lambda *a: True\n    math.fabs = lambda x: 0\n    return 2",
        "import builtins\ndef f(x):\n    builtins.abs = lambda x: 0\n    return 2",
        "import sys\ndef f(x):\n    sys.settrace(lambda *a: None)\n    return 2",
        "class math:\n    isclose = fabs = lambda *a: True\nimport sys\nsys.modules['math'] = math\ndef f(x): return 2",
        "import builtins\nbuiltins.__import__ = lambda *a: builtins\nbuiltins.isclose = bool\ndef f(x): return 2",
    ],
)
def test_comparisons_cannot_be_bent(sandbox: Bubblewrap, code: str) -> None:
    assert not scored(sandbox, code, program=LENIENT).passed
    assert not scored(sandbox, code).passed
    assert scored(sandbox, "def f(x): return 1.01", program=LENIENT).passed


@pytest.mark.parametrize("program", [None, "def check(candidate):\n    assert abs(candidate(0) - 1) < 0.1"])
@pytest.mark.parametrize(
    "code",
    [
        FORGED,
        FORGED.replace("def f", "def g") + "g()\ndef f(x): return 2",
        "import json\njson.dumps = json.JSONEncoder.encode = lambda *a: '1'\ndef f(x): return 2",
        "import builtins\nbuiltins.isinstance = builtins.issubclass = lambda *a: True\ndef f(x): return 2",
        "import builtins\nbuiltins.abs = lambda x: 0\nabs = round = lambda *a: 0\ndef f(x): return 2",
        "import builtins\nbuiltins.type = lambda *a: int\ndef f(x): return 2",
        "import sys\nsys.modules.clear()\ndef f(x): return 2",
        "import os\nos.write = lambda *a: 0\ndef f(x): return 2",
        CLEARING,
        "print('1')\nprint('{\"passed\": true}')\ndef f(x):\n    print(1)\n    return 2",
        "import os\ndef f(x):\n    os._exit(0)",
        "import os, threading\nthreading.Timer(0.1, os._exit, (0,)).start()\ndef f(x): threading.Event().wait()",
        "import sys\nsys.excepthook = lambda *a: None\ndef f(x):\n    sys.exit()",
    ],
)
def test_forgery_and_tampering_pass_nothing(sandbox: Bubblewrap, code: str, program: str | None) -> None:
    found = scored(sandbox, code, program=program)
    assert not found.passed
    assert found.explanation


@pytest.mark.parametrize(
    ("code", "expect"),
    [
        ("def f(x): return (1, [2.5, None, {'a': 'é'}])", [1, [2.5, None, {"a": "é"}]]),
        (
            "import collections\ndef f(x):\n    d = collections.defaultdict(list)\n    d['a'].append(1)\n    return d",
            {"a": [1]},
        ),
        ("import collections\ndef f(x): return collections.Counter('aab')", {"a": 2, "b": 1}),
        ("f = lambda x: 1", 1),
        ("class f:\n    def __new__(cls, x): return 1", 1),
        ("def f(x):\n    print('talk')\n    return 1", 1),
        ("from dataclasses import dataclass\n@dataclass\nclass P:\n    a: int\ndef f(x): return P(1).a", 1),
        ("if __name__ == '__main__':\n    input()\ndef f(x): return 1", 1),
        ("import asyncio\ndef f(x):\n    async def g(): return 1\n    return asyncio.run(g())", 1),
        ("def f(x): return 10 ** 400", 10**400),
        ("def f(x): return 2", 2.0),
    ],
)
def test_honest_programs_pass(sandbox: Bubblewrap, code: str, expect: object) -> None:
    found = scored(sandbox, code, expect=expect)
    assert (found.passed, found.explanation) == (True, "")
    assert found.details == {"cases": 1, "cases_passed": 1}


def test_cases_count_each_by_itself(sandbox: Bubblewrap) -> None:
    code = "def f(n):\n    if n == 2: raise KeyError('two')\n    if n == 3:\n        while True: pass\n    return n"
    cases = tuple(Case(args=(n,), expect=n, raises="LookupError" if n == 2 else None) for n in range(5))
    found = unit_tests(UnitTests(entry_point="f", tests=cases, limits=Limits(wall_s=2)), code, SAMPLE, sandbox)
    assert found.details == {"cases": 5, "cases_passed": 3}
    assert found.explanation == "case 4 of 5: f(3) did not end within 2 s"


@pytest.mark.parametrize(
    ("program", "passed", "told"),
    [
        ("def check(candidate):\n    assert candidate(1) == 2", True, ""),
        (
            "def check(candidate):\n    assert candidate(1) == 3, 'three'",
            False,
            "the tests failed: AssertionError: three",
        ),
        ("def check(candidate):\n    assert f(1) == helper(1)", True, ""),
        ("raise SystemExit", False, "the tests failed: SystemExit"),
        ("import os\nos._exit(0)", False, "the tests ended the program with status 0"),
        ("while True: pass", False, "the tests did not end within 0.4 s"),
    ],
)
def test_programs_of_tests(sandbox: Bubblewrap, program: str, passed: bool, told: str) -> None:
    code = "def helper(x): return x + 1\ndef f(x): return helper(x)"
    found = scored(sandbox, code, program=program, limits=SHORT if "while" in program else LIMITS)
    assert (found.passed, found.explanation) == (passed, told)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=12,
)


@given(JSON, st.sampled_from([None, 0, 0.1]))
def test_every_value_is_the_same_as_itself_read_back(value: object, tolerance: float | None) -> None:
    assert same(json.loads(json.dumps(value)), value, tolerance)
    assert not same([value], value, tolerance)
    assert not same(value, [value], tolerance)


@pytest.mark.parametrize(
    ("found", "expected", "tolerance", "right"),
    [
        (True, 1, None, False),
        (1, True, None, False),
        (0, False, 0.5, False),
        (None, 0, 0.5, False),
        (2, 2.0, None, True),
        (2.0, 2, None, False),
        (2.0, 2, 0.0, True),
        ([1.0001], [1], 0.001, True),
        ({"a": [1.01]}, {"a": [1]}, 0.001, False),
        (10**400, 1.5, 0.1, False),
        (10**400, 10**400 + 1, 1.0, True),
        (float("inf"), float("inf"), 0.1, True),
        (float("nan"), 1.0, 1e9, False),
        (1.0, float("nan"), 1e9, False),
        ("1", 1, None, False),
        ([1, 2], (1, 2), None, True),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, None, True),
        ({"a": 1}, {"a": 1, "b": None}, None, False),
        ("é", "e\u0301", None, False),
    ],
)
def test_kinds_and_tolerances(found: object, expected: object, tolerance: float | None, right: bool) -> None:
    assert same(found, expected, tolerance) is right


@given(st.lists(st.binary(max_size=40)))
def test_garbage_from_the_sandbox_is_ignored(chunks: list[bytes]) -> None:
    exchange = Exchange(CodeTest(candidates=("",), entry_point="f"), processes=1, cpu_s=1)
    token = exchange._tokens[0].encode()
    for chunk in chunks:
        exchange.take(chunk)
        exchange.take(token + b" " + chunk + b"\n")
    for bad in (b"[" * 100_000, b"1" * 5000, b'{"form": -1}', b'{"form": 1e99}', b'{"done": 1}', b"\xff", b'{"x": 1}'):
        exchange.take(b"\n" + token + b" " + bad + b"\n")
    assert not exchange.started
    assert (exchange.is_defined, exchange.reports, exchange.form) == (None, [], 0)
    exchange.take(b"\n" + token + b' {"started": true}\n')
    assert exchange.started

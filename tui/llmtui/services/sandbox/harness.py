"""The program inside the sandbox: runs the code under test and reports what it returned, as plain JSON values.

It is handed to an interpreter as text, so it imports nothing of llmtui. It never holds an expected value: code that
tampers with it can lie about what it returned itself, which it could have done by returning it. Lines of reports begin
with a token; the one that counts arrives only when the code under test has been loaded.
"""

import builtins
import json
import math
import os
import resource
import sys
import types
from typing import Any

DEEPEST = 60
"""Lists within lists that a value may have."""
MOST_VALUES = 200_000
LONGEST_LINE = 1 << 20
LARGEST_INT = 12_000
"""Bits; the decimal form of larger ones is refused by Python's own parser."""
FILE_BYTES = 64 << 20
INTERPRETER_BYTES = 48 << 20
"""Address space of the interpreter itself, on top of what the code may use."""
CODE_NAME = "<answer>"
_HEAP_TYPE = 1 << 9
"""Flag of types that are made by a program (Py_TPFLAGS_HEAPTYPE)."""


_KNOWN_MODULES = frozenset(
    {
        *("array", "collections", "datetime", "decimal", "enum", "fractions", "functools", "ipaddress", "numbers"),
        *("pathlib", "re", "types", "uuid"),
    }
)
"""Whose types compare as one expects; `unittest.mock.ANY` equals anything."""
_TELLING = frozenset(
    {
        *("__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__", "__bool__", "__contains__", "__getattribute__"),
        *(
            "__float__",
            "__int__",
            "__index__",
            "__complex__",
            "__abs__",
            "__round__",
            "__neg__",
            "__pos__",
            "__class__",
        ),
        *("__add__", "__radd__", "__sub__", "__rsub__", "__mul__", "__rmul__", "__truediv__", "__rtruediv__"),
        *("__floordiv__", "__rfloordiv__", "__mod__", "__rmod__"),
    }
)
"""Methods by which an object can make a comparison with it come out as it likes."""


Known = list[tuple[types.ModuleType, dict[str, Any]]]
"""Modules, and what they held."""


class UnfitError(Exception):
    """A value that is not plain."""


def plain(value: Any, depth: int = 0, budget: list[int] | None = None) -> Any:
    """A value made anew of plain types only, by the methods of the plain types: nothing of the object's own is asked.

    Raises:
        UnfitError: it is something else, too deep, or too large.
    """
    budget = budget if budget is not None else [MOST_VALUES]
    budget[0] -= 1
    if depth > DEEPEST:
        raise UnfitError(f"a value nested more than {DEEPEST} deep")
    if budget[0] < 0:
        raise UnfitError(f"a value with more than {MOST_VALUES:,} parts")
    kind = type(value)
    if kind is int and value.bit_length() > LARGEST_INT:
        raise UnfitError(f"an integer of {value.bit_length():,} bits")
    if value is None or kind in (bool, int, float, str):
        return value
    if issubclass(kind, list):
        return [plain(one, depth + 1, budget) for one in list.__iter__(value)]
    if issubclass(kind, tuple):
        return [plain(one, depth + 1, budget) for one in tuple.__iter__(value)]
    if issubclass(kind, dict):
        items = list(dict.items(value))
        odd = next((type(key).__name__ for key, _ in items if type(key) is not str), None)
        if odd is not None:
            raise UnfitError(f"a dict with a key of type {odd[:60]}; in JSON keys are texts")
        return {key: plain(one, depth + 1, budget) for key, one in items}
    raise UnfitError(f"a value of type {kind.__name__[:60]}, which JSON does not have")


def honest(value: Any) -> Any:
    """A value as it is, unless a class of the code under test defines how it compares or calculates.

    Raises:
        UnfitError: one does, of the value or of what a container holds.
    """
    seen: set[int] = set()
    left = [value]
    while left:
        one = left.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        kind = type(one)
        if not _compares_honestly(kind):
            raise UnfitError(f"a value of type {kind.__name__[:60]}, which says itself how it compares")
        for base in (list, tuple, set, frozenset, dict):
            if issubclass(kind, base):
                left += base.__iter__(one)
        if issubclass(kind, dict):
            left += dict.values(one)
    return value


def _compares_honestly(kind: type) -> bool:
    """Whether a type compares and calculates as the interpreter's own and the known ones of its library do."""
    for parent in type.mro(kind):
        home = sys.modules.get(parent.__module__) if parent.__module__ in _KNOWN_MODULES else None
        is_known = not parent.__flags__ & _HEAP_TYPE or getattr(home, parent.__name__, None) is parent
        if not is_known and not _TELLING.isdisjoint(parent.__dict__):
            return False
    return True


def described(error: BaseException) -> dict[str, Any]:
    """An exception: its classes by name, its message, and the line of the code under test that it came from."""
    line = None
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == CODE_NAME:
            line = trace.tb_lineno
        trace = trace.tb_next
    if isinstance(error, SyntaxError) and error.filename == CODE_NAME:
        line = error.lineno
    try:
        text = str(error.msg if isinstance(error, SyntaxError) else error)[:500]
    except BaseException:  # noqa: BLE001 - its `__str__` is code under test as well
        text = ""
    names = [str(kind.__name__)[:100] for kind in type.mro(type(error))[:20]]
    return {"names": names, "text": text, "line": line if isinstance(line, int) else None}


class Line:
    """Where messages come in and reports go out."""

    def __init__(self, source: int, target: int) -> None:
        self._source = source
        self._target = target
        self._rest = b""
        self._write = os.write
        self._encode = json.JSONEncoder().encode

    def read(self) -> Any:
        """The next message; the process ends with the pipe."""
        while b"\n" not in self._rest:
            chunk = os.read(self._source, 1 << 16)
            if not chunk:
                os._exit(1)
            self._rest += chunk
        line, _, self._rest = self._rest.partition(b"\n")
        return json.loads(line)

    def write(self, token: str, report: dict[str, Any]) -> None:
        """Send a report, or that it was too long."""
        data = self._encode(report)
        if len(data) > LONGEST_LINE:
            data = self._encode({"case": report.get("case"), "unfit": f"a value of {len(data):,} characters"})
        left = f"{token} {data}\n".encode()
        while left:
            left = left[self._write(self._target, left) :]


def limit(limits: dict[str, int]) -> None:
    """Bind this process and what it starts; nothing can widen the limits again."""
    wanted = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_CPU: limits["cpu_s"],
        resource.RLIMIT_FSIZE: FILE_BYTES,
        resource.RLIMIT_NOFILE: 64,
        resource.RLIMIT_AS: limits["memory_bytes"] + INTERPRETER_BYTES,
    }
    if limits["processes"]:
        wanted[resource.RLIMIT_NPROC] = limits["processes"]
    for kind, value in wanted.items():
        _, hard = resource.getrlimit(kind)
        most = value if hard == resource.RLIM_INFINITY else min(value, hard)
        try:
            resource.setrlimit(kind, (most, most))
        except (ValueError, OSError):  # macOS has no limit of the address space
            continue


def load(line: Line, first: dict[str, Any]) -> types.ModuleType | None:
    """Run the first form of the answer that is Python; None when there is none, or it fails, which is reported."""
    failure: BaseException = SyntaxError("there is no code in the answer")
    code = None
    for form, text in enumerate(first["candidates"]):
        try:
            code = compile(text, CODE_NAME, "exec", dont_inherit=True)
            break
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            failure = error if form == 0 else failure
    module = types.ModuleType("answer")
    sys.modules["answer"] = module
    if code is None:
        line.write(first["token"], {"broken": described(failure), "form": 0})
        return None
    try:
        exec(code, module.__dict__)  # noqa: S102 - this is what the sandbox is for
    except BaseException as error:  # noqa: BLE001 - whatever the code raises is what is to be told
        line.write(first["token"], {"broken": described(error), "form": form})
        return None
    line.write(first["token"], {"ready": callable(module.__dict__.get(first["entry_point"])), "form": form})
    return module


def run_cases(line: Line, token: str, function: Any, cases: list[Any]) -> None:
    """Call the function once a case."""
    for number, (args, kwargs) in enumerate(cases):
        try:
            report: dict[str, Any] = {"value": plain(function(*args, **kwargs))}
        except UnfitError as unfit:
            report = {"unfit": str(unfit)}
        except BaseException as error:  # noqa: BLE001 - whatever the code raises is what is to be told
            report = {"raised": described(error)}
        line.write(token, {"case": number, **report})


def run_program(line: Line, token: str, names: dict[str, Any], second: dict[str, Any], before: Known) -> None:
    """Run a program of tests behind the code; it passes when it ends.

    Args:
        line: for the report.
        token: of the report.
        names: what the program sees.
        second: the program, `call`, and the entry point.
        before: what the tests compare with, put back after every call: a function may change it when it is called.
    """
    function = names[second["entry_point"]]
    if isinstance(function, types.FunctionType):

        def guarded(*args: Any, **kwargs: Any) -> Any:
            try:
                found = function(*args, **kwargs)
            finally:
                put_back(before)
            return honest(found)

        names[second["entry_point"]] = guarded
    try:
        exec(compile(second["program"], "<tests>", "exec", dont_inherit=True), names)  # noqa: S102 - see `load`
        if second["call"] is not None:
            names[second["call"]](names[second["entry_point"]])
    except BaseException as error:  # noqa: BLE001 - whatever the tests raise is what is to be told
        line.write(token, {"raised": described(error)})
        return
    line.write(token, {"passed": True})


def as_now() -> Known:
    """What tests compare with, as it is before the code under test can change it."""
    return [(module, dict(module.__dict__)) for module in (builtins, math)]


def put_back(before: Known) -> None:
    """Have everything as it was, and nobody look on."""
    sys.settrace(None)
    sys.setprofile(None)
    for known, content in before:
        known.__dict__.update(content)
        sys.modules[known.__name__] = known


def seen_by_tests(module: types.ModuleType, entry_point: str, before: Known) -> dict[str, Any]:
    """What the code defines, but for what would stand in for a builtin; and what was there before, as it was."""
    put_back(before)
    found = {name: value for name, value in module.__dict__.items() if name not in builtins.__dict__}
    if "math" in found:
        found["math"] = math
    return {**found, entry_point: module.__dict__[entry_point], "__name__": "tests", "__builtins__": builtins}


def main(target: int) -> None:
    """Take the code, run it, take the tests, run them."""
    source = os.dup(0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    line = Line(source, target)
    before = as_now()
    first = line.read()
    limit(first["limits"])
    line.write(first["token"], {"started": True})
    module = load(line, first)
    if module is None:
        os._exit(0)
    function = module.__dict__.get(first["entry_point"])
    second = line.read()
    if "program" in second:
        names = seen_by_tests(module, first["entry_point"], before)
        run_program(line, second["token"], names, {**second, "entry_point": first["entry_point"]}, before)
    else:
        run_cases(line, second["token"], function, second["cases"])
    line.write(second["token"], {"done": True})
    os._exit(0)


if __name__ == "__main__":
    main(int(sys.argv[1]))

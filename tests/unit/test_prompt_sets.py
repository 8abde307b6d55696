"""The prompt-set format: what it means, and what is said about a file that is wrong."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from unit.prompt_files import HEAD, only_problem, samples, scan, write_set

from llmtui.domain.prompt_set import Sample, Turn
from llmtui.domain.scorers import Number, Verbatim
from llmtui.errors import ConfigError, UsageError
from llmtui.services.prompt_sets import find_set, list_sets
from llmtui.store.paths import Folders
from llmtui.store.profiles import profile_files
from llmtui.store.prompt_errors import Problem
from llmtui.store.prompt_sets import open_prompt_set, set_files, user_folder


def refused(path: Path) -> str:
    with pytest.raises(ConfigError) as caught, open_prompt_set(path) as reader:
        list(reader.samples())
    return caught.value.cause


def test_defaults_hold_for_every_sample_that_says_nothing_else(tmp_path: Path) -> None:
    first, second = samples(
        tmp_path,
        "defaults: {system: Be brief., tags: [a], epochs: 3, generation: {temperature: 0, seed: 1},"
        " scorers: [{type: number}]}\n"
        "samples:\n"
        "  - {id: one, input: 1 + 1?, targets: ['2']}\n"
        "  - {id: two, input: hi, system: '', tags: [b], epochs: 1, generation: {seed: 2}, scorers: []}\n",
    )
    assert first.turns == (Turn(role="system", content="Be brief."), Turn(role="user", content="1 + 1?"))
    assert (first.epochs, first.tags, first.scorers, first.targets) == (3, ("a",), (Number(),), ("2",))
    assert second.turns == (Turn(role="user", content="hi"),)
    assert (second.epochs, second.tags, second.scorers) == (1, ("a", "b"), ())
    assert second.generation.given == {"temperature": 0, "seed": 2}


def test_lists_among_the_variables_make_a_matrix(tmp_path: Path) -> None:
    found = samples(
        tmp_path,
        'samples:\n  - {id: poem, input: "{{author}}：{{ title }}", targets: ["{{title}}!"],'
        " vars: {author: [李白, 杜甫], title: [春望, 秋兴], n: 1}}\n",
    )
    assert [sample.id for sample in found] == [
        "poem[李白,春望]",
        "poem[李白,秋兴]",
        "poem[杜甫,春望]",
        "poem[杜甫,秋兴]",
    ]
    assert found[3].prompt == "杜甫：秋兴"
    assert found[3].targets == ("秋兴!",)


def test_values_are_not_searched_for_variables_and_braces_can_be_meant(tmp_path: Path) -> None:
    (found,) = samples(tmp_path, "samples:\n  - {id: a, input: '{{x}} \\{{x}} {{ 1 }}', vars: {x: '{{y}}'}}\n")
    assert found.prompt == "{{y}} {{x}} {{ 1 }}"


def test_the_model_answers_between_two_turns_of_the_user(tmp_path: Path) -> None:
    (found,) = samples(
        tmp_path,
        "samples:\n  - id: a\n    messages:\n      - {role: user, content: one}\n      - {role: user, content: two}\n"
        "      - {role: assistant}\n      - {role: user, content: three}\n",
    )
    assert [(turn.role, turn.content) for turn in found.turns] == [
        *(("user", "one"), ("assistant", None), ("user", "two"), ("assistant", None), ("user", "three")),
    ]


def test_modes_of_raw_text_and_infill(tmp_path: Path) -> None:
    text, gap = samples(
        tmp_path,
        "samples:\n  - {id: a, mode: text, input: 'Once upon '}\n  - {id: b, prefix: 'def f(', suffix: '): pass'}\n",
    )
    assert (text.text, text.turns) == ("Once upon ", ())
    assert (gap.mode, gap.prefix, gap.suffix) == ("infill", "def f(", "): pass")


def test_a_haystack_reaches_its_length_with_the_needle_at_its_depth(tmp_path: Path) -> None:
    (tmp_path / "filler.txt").write_text("aaaa\n\nbbbb\n\ncccc\n", encoding="utf-8")
    entry = (
        "  - id: d{depth}\n    input: '{{{{text}}}}'\n    vars: {{text: {{haystack: 'file://filler.txt',"
        " characters: 30, needles: [{{text: NEEDLE, depth: {depth}}}]}}}}\n"
    )
    found = samples(tmp_path, "samples:\n" + "".join(entry.format(depth=depth) for depth in (0, 0.5, 1)))
    words = [sample.prompt.split("\n\n") for sample in found]
    assert [word.index("NEEDLE") for word in words] == [0, 4, 8]
    assert words[0][1:] == ["aaaa", "bbbb", "cccc"] * 2 + ["aaaa", "bbbb"]


def test_words_that_yaml_1_1_reads_as_something_else_are_texts(tmp_path: Path) -> None:
    (found,) = samples(tmp_path, "samples:\n  - {id: 007, input: x, targets: [no, 12:30, 0123, 2026-01-01, 1_000]}\n")
    assert (found.id, found.targets) == ("007", ("no", "12:30", "0123", "2026-01-01", "1_000"))


def test_files_beside_the_set_are_texts_and_tests_are_values(tmp_path: Path) -> None:
    (tmp_path / "q").mkdir()
    (tmp_path / "q" / "question.txt").write_bytes(b"\xef\xbb\xbfline one\r\nline two\r\n")
    (tmp_path / "tests.json").write_text('[{"args": [[1, 2]], "expect": 3}]')
    (found,) = samples(
        tmp_path,
        "samples:\n  - id: a\n    input: file://q/question.txt\n    scorers:\n"
        "      - {type: unit_tests, entry_point: f, tests: 'file://tests.json'}\n",
    )
    assert found.prompt == "line one\nline two"
    assert found.scorers[0].tests[0].expect == 3  # type: ignore[union-attr, index]


def test_rows_in_a_jsonl_file(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"id": "a", "input": "x"}\n\n{"id": "b", "inptu": "x"}\n{"id": "c"\n')
    first, second, third = scan(write_set(tmp_path, "samples: file://rows.jsonl\n"))
    assert isinstance(first, Sample)
    assert isinstance(second, Problem)
    assert isinstance(third, Problem)
    assert second.where == f"{tmp_path}/rows.jsonl, line 3: $.samples[1].inptu"
    assert "line 4 is not valid JSON" in third.message


@pytest.mark.parametrize(
    ("sample", "line", "place", "message", "remedy"),
    [
        ("{id: a, inptu: x}", 4, "$.samples[0].inptu", "unknown key", "Did you mean `input`?"),
        ("{id: a, input: x, targets: [1]}", 4, "$.samples[0].targets[0]", "Expected `str`, got `int`", "quotes"),
        ("{id: a, input: x, vars: {n: 1, m: 1.5}}", 4, "$.samples[0].vars.m", "got `float`", "quotes"),
        ("{id: a}", 4, "$.samples[0]", "exactly one of", ""),
        ("{id: a, input: x, prefix: y, suffix: z}", 4, "$.samples[0]", "`input` and `prefix`", ""),
        ("{input: x}", 4, "$.samples[0]", "missing required field `id`", ""),
        ("{id: a, input: '{{x}}'}", 4, "$.samples[0].input", "`x` has no value", "Add it to `vars`"),
        ("{id: a, input: '{{x}}', vars: {x: []}}", 4, "$.samples[0].vars.x", "the list is empty", ""),
        ("{id: a, mode: text, messages: [{role: user, content: x}]}", 4, "$.samples[0].mode", "`input`", ""),
        ("{id: a, messages: [{role: user}]}", 4, "$.samples[0]", "no `content`", ""),
        ("{id: a, messages: [{role: tool, content: x}]}", 4, "$.samples[0].messages[0].role", "'tool'", ""),
        ("id: a\n    input: x\n    scorers:\n      - {type: human}\n      - {type: verbatum}", 8,
         "$.samples[0].scorers[1].type", "unknown scorer 'verbatum'", "Did you mean `verbatim`?"),
        ("id: a\n    input: x\n    scorers:\n      - {type: number, valu: 1}", 7,
         "$.samples[0].scorers[0].valu", "unknown key", "Did you mean `value`?"),
        ("{id: a, input: x, scorers: [{type: regex, pattern: '('}]}", 4, "$.samples[0].scorers[0]", "unterminated", ""),
        ("{id: a, input: x, scorers: [{type: length, min: 5, max: 4}]}", 4, "$.samples[0].scorers[0]", "below", ""),
        ("{id: a, input: x, generation: {temprature: 1}}", 4, "$.samples[0].generation.temprature", "unknown key",
         "Did you mean `temperature`?"),
        ("{id: a, input: x, generation: {temperature: -1}}", 4, "$.samples[0].generation.temperature", ">= 0", ""),
        ("5", 4, "$.samples[0]", "Expected `object`, got `int`", ""),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_line_and_place(
    tmp_path: Path, *, sample: str, line: int, place: str, message: str, remedy: str
) -> None:
    found = only_problem(tmp_path, f"samples:\n  - {sample}\n")
    assert (found.line, found.place) == (line, place)
    assert message in found.message
    assert remedy in found.remedy
    assert found.where.startswith(f"{tmp_path}/set.yaml, line {line}: ")


def test_an_id_twice_is_found_also_among_those_of_a_matrix(tmp_path: Path) -> None:
    found = only_problem(tmp_path, "samples:\n  - {id: 'a[x]', input: x}\n  - {id: a, input: x, vars: {v: [x, y]}}\n")
    assert (found.place, found.line) == ("$.samples[1].id", 5)
    assert "the id `a[x]` is that of sample 0 already" in found.message


def test_a_bad_sample_does_not_hide_the_next(tmp_path: Path) -> None:
    found = scan(write_set(tmp_path, "samples:\n  - {id: a}\n  - {id: b, input: x}\n  - {id: c}\n"))
    assert [type(item) for item in found] == [Problem, Sample, Problem]


@pytest.mark.parametrize(
    "path", ["file:///etc/passwd", "file://../secret.txt", "file://link.txt", "file://sub/out.txt"]
)
def test_no_file_outside_the_folder_is_read(tmp_path: Path, path: str) -> None:
    (tmp_path / "secret.txt").write_text("secret")
    folder = tmp_path / "sets"
    folder.mkdir()
    (folder / "link.txt").symlink_to(tmp_path / "secret.txt")
    (folder / "sub").symlink_to(tmp_path)
    (tmp_path / "out.txt").write_text("secret")
    found = only_problem(folder, f"samples:\n  - {{id: a, input: '{path}'}}\n")
    assert found.place == "$.samples[0].input"
    assert "leaves the folder of the set" in found.message


def test_a_pipe_in_place_of_a_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.txt")
    found = only_problem(tmp_path, "samples:\n  - {id: a, input: 'file://pipe.txt'}\n")
    assert "not a regular file" in found.message
    (tmp_path / "set.yaml").unlink()
    os.mkfifo(tmp_path / "set.yaml")
    assert "not a regular file" in refused(tmp_path / "set.yaml")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("titel: x\nsamples: []\n", "line 3: $.titel: unknown key"),
        ("defaults: {scorers: [{type: x}]}\nsamples: []\n", "line 3: $.defaults.scorers[0].type: unknown scorer 'x'"),
        ("license: CC0\n", "there is no list `samples`"),
        ("samples: []\n", "$.samples: there are no samples"),
        ("samples: 3\n", "line 3: $.samples: expected a list"),
        ("samples: [{id: a, input: x}]\nlicense: CC0\n", "line 4: $.license: `license` stands behind `samples`"),
        ("samples:\n\t- {id: a}\n", "line 4: not valid YAML: a character that cannot begin a value"),
        ("samples: [{id: a, id: b}]\n", "line 3: the key `id` is there twice"),
        ("samples: [{id: a, input: caf\xe9".encode("latin-1"), "line 3: not UTF-8 text: byte 0xe9"),
        ("samples: [{id: a, input: \x1b[31m}]\n", "line 3: the control character U+001B"),
        ("samples: [{id: a, input: !!python/object:os.system x}]\n", "the tag tag:yaml.org,2002:python/object"),
        ("samples: [{id: a, input: *b}]\n", "`*b` repeats what is not there"),
        ("samples: [" * 200, "nest deeper"),
        ("samples: [{id: a, input: x}]\n---\nx: 1\n", "a second document begins"),
        ("samples: [{id: a, input: 'x\n", "not valid YAML"),
    ],
)  # fmt: skip
def test_a_broken_file_is_refused_with_its_line(tmp_path: Path, text: str | bytes, told: str) -> None:
    assert told in refused(write_set(tmp_path, text))


@pytest.mark.parametrize(("head", "told"), [
    ("", "the file is empty"),
    ("- 1\n", "line 1: the file must hold keys"),
    ("name: x\nsamples: []\n", "`schema` is missing"),
    ("schema: llmtui.promptset/9\nsamples: []\n", "line 1: $.schema: `schema` is 'llmtui.promptset/9'"),
    ("schema: llmtui.promptset/1\nname: a/b\nsamples: []\n", "line 2: $.name"),
])  # fmt: skip
def test_a_bad_head_is_refused(tmp_path: Path, head: str, told: str) -> None:
    assert told in refused(write_set(tmp_path, "", head=head))


def test_a_billion_laughs_are_cut_short(tmp_path: Path) -> None:
    lines = ["a: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    lines += [f"b{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    bomb = "samples: [{id: a, input: x, vars: {\n" + ",\n".join(lines) + "}}]\n"
    assert "aliases repeat more than 100,000 values" in refused(write_set(tmp_path, bomb))


@pytest.mark.parametrize("depth", [60, 900, 5000])
def test_rows_and_tests_that_nest_too_deeply_are_told(tmp_path: Path, depth: int) -> None:
    deep = "[" * depth + "]" * depth
    (tmp_path / "rows.jsonl").write_text(f'{{"id": "a", "input": "x", "vars": {{"v": {deep}}}}}\n')
    assert re.search("deeper|depth", only_problem(tmp_path, "samples: file://rows.jsonl\n").message)
    (tmp_path / "tests.json").write_text(deep)
    scorer = "{type: unit_tests, entry_point: f, tests: 'file://tests.json'}"
    found = only_problem(tmp_path, f"samples: [{{id: a, input: x, scorers: [{scorer}]}}]\n")
    assert found.place == "$.samples[0].scorers[0].tests"


def test_an_honest_alias_works(tmp_path: Path) -> None:
    found = samples(
        tmp_path,
        "samples:\n  - {id: a, input: x, scorers: &s [{type: verbatim}]}\n  - {id: b, input: y, scorers: *s}\n",
    )
    assert found[1].scorers == (Verbatim(),)


def test_bom_and_windows_line_ends(tmp_path: Path) -> None:
    text = HEAD + "samples:\n  - id: a\n    input: |\n      one\n      two\n"
    path = tmp_path / "set.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    (found,) = scan(path)
    assert isinstance(found, Sample)
    assert found.prompt == "one\ntwo\n"


def test_a_megabyte_of_text_in_one_sample(tmp_path: Path) -> None:
    (found,) = samples(tmp_path, f"samples:\n  - {{id: a, input: '{'字' * 1_000_000}'}}\n")
    assert len(found.prompt) == 1_000_000


def test_a_hundred_thousand_rows_stream_in_flat_memory(tmp_path: Path) -> None:
    path = write_set(tmp_path, "")
    with path.open("a") as file:
        file.write("samples:\n")
        file.writelines(f"  - {{id: s{n}, input: {'x' * 300} {n}, targets: ['{n}']}}\n" for n in range(100_000))
    code = (
        "import psutil, sys, pathlib\nfrom llmtui.store.prompt_sets import open_prompt_set\n"
        "count, rss = 0, []\n"
        "with open_prompt_set(pathlib.Path(sys.argv[1])) as reader:\n"
        "  for count, _ in enumerate(reader.samples(), start=1):\n"
        "    if count % 5000 == 0: rss.append(psutil.Process().memory_info().rss)\n"
        "print(count, max(rss) - rss[0])"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    count, growth = map(int, done.stdout.split())
    assert count == 100_000
    assert path.stat().st_size > 30 << 20
    assert growth < 25 << 20  # the ids, which must be unique


def test_sets_are_found_by_name_beginning_and_path_and_the_users_come_first(tmp_path: Path) -> None:
    folders = Folders.resolve({"LLMTUI_DATA_DIR": str(tmp_path), "LLMTUI_CONFIG_DIR": str(tmp_path)})
    assert find_set(folders, "li-b").name == "li-bai.yaml"
    own = user_folder(folders)
    own.mkdir()
    (own / "li-bai.yaml").write_text(HEAD + "samples: [{id: a, input: x}]\n")
    (own / "mine.yaml").write_text(HEAD + "samples: [{id: a, inpt: x}]\n")
    assert find_set(folders, "li-bai") == own / "li-bai.yaml"
    assert find_set(folders, str(own / "mine.yaml")) == own / "mine.yaml"
    listed = {summary.name: summary for summary in list_sets(folders)}
    assert (listed["li-bai"].origin, listed["li-bai"].samples) == ("user", 1)
    assert (listed["mine"].samples, listed["mine"].problems) == (0, 1)
    assert "unknown key" in str(listed["mine"].problem)
    with pytest.raises(UsageError, match="near matches: li-bai"):
        find_set(folders, "libai")
    with pytest.raises(UsageError, match="There is no file"):
        find_set(folders, "./nothing.yaml")


def test_a_link_that_leads_nowhere_hides_no_other_set(tmp_path: Path) -> None:
    for name in ("a", "z"):
        (tmp_path / f"{name}.yaml").write_text("", encoding="utf-8")
    (tmp_path / "loop.yaml").symlink_to("loop.yaml")
    (tmp_path / "gone.yaml").symlink_to("nowhere.yaml")
    assert list(set_files(tmp_path)) == ["a", "z"]
    assert list(profile_files(tmp_path)) == ["a", "z"]

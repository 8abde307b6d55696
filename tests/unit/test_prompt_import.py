"""Files as the field's benchmarks and promptfoo write them, imported and read back. The rows are this project's own."""

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llmtui.domain.prompt_set import Header, Sample
from llmtui.domain.scorers import (
    Choice,
    Contains,
    Equals,
    Human,
    JsonSchema,
    Length,
    ModelGraded,
    NotContains,
    Number,
    Program,
    Regex,
    UnitTests,
)
from llmtui.errors import ConfigError, UsageError
from llmtui.services.prompt_import import ImportReport, Wishes, import_set
from llmtui.store.paths import Folders
from llmtui.store.prompt_import.drafts import literal
from llmtui.store.prompt_import.writing import write_set
from llmtui.store.prompt_sets import open_prompt_set, user_folder

HUMANEVAL = {
    "task_id": "HumanEval/0",
    "prompt": 'def double(n):\n    """ Twice n; {{n}} is no variable.\n    """\n',
    "entry_point": "double",
    "canonical_solution": "    return 2 * n\n",
    "test": "def check(candidate):\n    assert candidate(2) == 4\n",
}
MBPP = {
    "task_id": 11,
    "text": "Write a function to triple a number.",
    "code": "def helper(n):\n    return n\ndef triple(n):\n    return 3 * helper(n)",
    "test_list": ["assert triple(2) == 6", "assert triple(0) == 0"],
    "test_setup_code": "",
    "challenge_test_list": [],
}
GSM8K = {
    "question": "Mia has 3 boxes of 400 pens and buys 34 more. How many pens?",
    "answer": "3*400=<<3*400=1200>>1200.\n#### 1,234",
}
PROMPTFOO = """\
description: greetings
prompts:
  - 'Greet {{name}} in {{language}}.'
  - file://prompts.txt
providers: [openai:gpt-4o-mini, anthropic:messages:claude]
defaultTest:
  assert:
    - {type: llm-rubric, value: is polite}
tests:
  - description: greet
    vars: {name: Li, language: [French, German], unused: 1.5}
    assert:
      - {type: icontains-any, value: [bonjour, hallo]}
      - {type: not-contains, value: 'Hello {{name}}'}
      - {type: javascript, value: output.length < 10}
      - {type: cost, threshold: 0.01}
  - vars: {name: Bo}
    assert:
      - {type: equals, value: Hi}
      - {type: regex, value: '^H'}
      - {type: is-json, value: {type: object}}
      - {type: word-count, value: {min: 1, max: 5}}
"""


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders.resolve({"LLMTUI_DATA_DIR": str(tmp_path / "data"), "LLMTUI_CONFIG_DIR": str(tmp_path / "config")})


def imported(folders: Folders, path: Path, **more: object) -> tuple[ImportReport, list[Sample]]:
    report = import_set(folders, path, **more)  # type: ignore[arg-type]
    assert report.check.problems == ()
    with open_prompt_set(Path(report.path)) as reader:
        return report, list(reader.samples())


def jsonl(path: Path, *rows: object) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def test_humaneval_is_continued_and_its_tests_are_kept(folders: Folders, tmp_path: Path) -> None:
    report, (sample,) = imported(folders, jsonl(tmp_path / "HumanEval.jsonl", HUMANEVAL))
    assert (report.format, report.name) == ("humaneval", "HumanEval")
    assert Path(report.path).parent == user_folder(folders)
    assert (sample.id, sample.mode, sample.text) == ("HumanEval/0", "text", HUMANEVAL["prompt"])
    assert sample.reference == HUMANEVAL["canonical_solution"]
    tests = f"\n\nMETADATA = {{}}\n\n\n{HUMANEVAL['test']}\n\n"
    rows = ({**HUMANEVAL, "task_id": f"HumanEval/{number}", "test": tests} for number in range(3))
    _, several = imported(folders, jsonl(tmp_path / "several.jsonl", *rows))
    assert [one.scorers[0].tests.program for one in several] == [tests] * 3  # type: ignore[union-attr]
    assert "\ndef " in (sample.generation.stop or ())
    (scorer,) = sample.scorers
    assert scorer == UnitTests(
        entry_point="double", tests=Program(program=HUMANEVAL["test"], call="check"), assemble="continuation"
    )
    _, (asked,) = imported(folders, tmp_path / "HumanEval.jsonl", name="chat", wishes=Wishes(mode="instruct"))
    assert asked.mode == "instruct"
    assert HUMANEVAL["prompt"].rstrip() in asked.prompt
    assert asked.scorers[0].assemble == "answer"  # type: ignore[union-attr]


def test_mbpp_finds_the_function_that_its_tests_call(folders: Folders, tmp_path: Path) -> None:
    broken = {**MBPP, "task_id": 12, "test_list": ["assert other(1)"]}
    report, (sample,) = imported(folders, jsonl(tmp_path / "mbpp.jsonl", MBPP, broken))
    (scorer,) = sample.scorers
    assert isinstance(scorer, UnitTests)
    assert scorer.entry_point == "triple"
    assert scorer.tests == Program(program="assert triple(2) == 6\nassert triple(0) == 0")
    assert report.left_count == 1
    assert "task 12" in report.left[0]


def test_gsm8k_numbers_lose_their_separators(folders: Folders, tmp_path: Path) -> None:
    report, (sample,) = imported(folders, jsonl(tmp_path / "test.jsonl", GSM8K), name="gsm8k")
    assert (report.format, sample.targets, sample.scorers) == ("gsm8k", ("1234",), (Number(),))
    jsonl(tmp_path / "bad.jsonl", GSM8K, {"question": "x", "answer": "no mark"})
    with pytest.raises(ConfigError, match="line 2: the answer does not end in"):
        import_set(folders, tmp_path / "bad.jsonl")
    assert not (user_folder(folders) / "bad.yaml").exists()


def test_choices_of_c_eval_cmmlu_and_mmlu(folders: Folders, tmp_path: Path) -> None:
    ceval = tmp_path / "physics_val.csv"
    ceval.write_text(
        'id,question,A,B,C,D,answer,explanation\n0,"水的沸点, 在海平面是？",90℃,100℃,110℃,120℃,B,标准大气压\n',
        encoding="utf-8",
    )
    report, (sample,) = imported(folders, ceval)
    assert report.format == "choice"
    assert sample.prompt.splitlines() == [
        *("水的沸点, 在海平面是？", "A. 90℃", "B. 100℃", "C. 110℃", "D. 120℃", "只写一个字母。"),
    ]
    assert (sample.targets, sample.scorers, sample.reference) == (("B",), (Choice(),), "标准大气压")
    cmmlu = tmp_path / "history.csv"
    cmmlu.write_text(",Question,A,B,C,D,Answer\n0,哪一年？,1,2,3,4,C\n", encoding="utf-8-sig")
    assert imported(folders, cmmlu)[1][0].targets == ("C",)
    mmlu = tmp_path / "anatomy_test.csv"
    mmlu.write_text('"A bone, of the arm?",Femur,Ulna,Tibia,Rib,B\nWhich is blood?,a,b,c,d,A\n')
    assert [found.targets for found in imported(folders, mmlu)[1]] == [("B",), ("A",)]
    unanswered = tmp_path / "test_split.csv"
    unanswered.write_text("id,question,A,B,C,D\n0,Which?,1,2,3,4\n")
    assert imported(folders, unanswered)[1][0].scorers == (Human(),)


def test_promptfoo_prompts_times_tests(folders: Folders, tmp_path: Path) -> None:
    path = tmp_path / "promptfooconfig.yaml"
    path.write_text(PROMPTFOO, encoding="utf-8")
    (tmp_path / "prompts.txt").write_text(
        'Say hi to {{name}}\n---\n[{"role": "user", "content": "Hi, I am {{name}}"}]\n'
    )
    report, samples = imported(folders, path)
    assert report.format == "promptfoo"
    assert len(samples) == 3 * 2 + 3
    assert samples[0].prompt == "Greet Li in French."
    assert samples[0].scorers == (
        Contains(values=("bonjour", "hallo"), fold=("case",)),
        NotContains(values=("Hello Li",)),
        ModelGraded(),
    )
    assert samples[0].rubric == "is polite"
    assert [turn.content for turn in samples[-1].turns] == ["Hi, I am Bo"]
    kinds = (Equals, Regex, JsonSchema, Length, ModelGraded)
    assert tuple(map(type, samples[-1].scorers)) == kinds
    told = "\n".join(report.left)
    assert "the assertion `javascript` has no counterpart" in told
    assert "the variable `language` has no value and is empty" in told


def test_promptfoo_tests_in_a_table(folders: Folders, tmp_path: Path) -> None:
    (tmp_path / "tests.csv").write_text("word,__expected,__description\ncat,contains: feline,about cats\nax,tool,\n")
    path = tmp_path / "config.yaml"
    path.write_text("prompts: ['What is a {{word}}?']\ntests: file://tests.csv\n")
    _, (first, second) = imported(folders, path)
    assert (first.id, first.prompt, first.scorers) == ("about cats", "What is a cat?", (Contains(values=("feline",)),))
    assert second.scorers == (Equals(values=("tool",)),)
    path.write_text("prompts: ['{{word}}']\ntests: file://../tests.csv\n")
    with pytest.raises(ConfigError, match="leaves the folder"):
        import_set(folders, path, force=True)


def test_lines_tables_and_objects(folders: Folders, tmp_path: Path) -> None:
    text = tmp_path / "questions.txt"
    text.write_bytes("\ufefffirst {{x}}\r\n\r\nfile:///etc/passwd\r\n你好\r\n".encode())
    assert [sample.prompt for sample in imported(folders, text)[1]] == ["first {{x}}", " file:///etc/passwd", "你好"]
    table = tmp_path / "table.csv"
    table.write_text("题目,答案\n一加一,二\n二加二,四\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"no field `prompt`; fields here: 题目, 答案.*--prompt-field"):
        import_set(folders, table)
    _, samples = imported(folders, table, wishes=Wishes(prompt_field="题目", target_field="答案"))
    assert [(sample.prompt, sample.targets) for sample in samples] == [("一加一", ("二",)), ("二加二", ("四",))]
    rows = jsonl(
        tmp_path / "rows.jsonl",
        {"input": [{"role": "system", "content": "s"}, {"role": "user", "content": "q"}], "ideal": ["a", "b"]},
        {"instruction": "Translate.", "input": "cat", "output": "猫", "id": 7},
        {"conversations": [{"from": "human", "value": "one"}, {"from": "gpt", "value": "two"}]},
        {"prompt": "same", "id": 7},
        {"prompt": "  "},
    )
    report, (chat, alpaca, shared, twin) = imported(folders, rows)
    assert ([turn.role for turn in chat.turns], chat.targets) == (["system", "user"], ("a", "b"))
    assert (alpaca.prompt, alpaca.reference, alpaca.id) == ("Translate.\n\ncat", "猫", "7")
    assert (shared.prompt, twin.id, report.left_count) == ("one", "7-2", 1)


@pytest.mark.parametrize(
    ("name", "data", "told"),
    [
        ("x.jsonl", b'{"prompt": "a"}\n{"prompt"\n', "line 2: not valid JSON"),
        ("x.jsonl", b'{"prompt": ' + b"[" * 900 + b"]" * 900 + b"}", "nest deeper"),
        ("x.yaml", b"prompts: [a]\ntests: file://x.csv\n", "x.csv: No such file"),
        ("x.jsonl", b"[1]", "element 1 is no object"),
        ("x.jsonl", b"5\n", "line 1: the row is no JSON object"),
        ("x.jsonl", b"", "the file is empty"),
        ("x.txt", b"ok\ncaf\xe9\n", "line 2: not UTF-8 text"),
        ("x.csv", b"prompt\na\ncaf\xe9\n", "line 3: not UTF-8 text"),
        ("x.jsonl", b'{"prompt": "a"}\n{"prompt": "caf\xe9"}\n', "line 2: not UTF-8 text"),
        ("x.jsonl", b'[\n{"prompt": "caf\xe9"}]', "line 2: not UTF-8 text"),
        ("x.csv", b"question,A,B,answer\nq,1,2,E\n", "line 2: the answer is 'E'"),
        ("x.yaml", b"prompts: [\n", "not valid YAML"),
        ("x.yaml", b"a: 1\n", "neither a prompt set nor"),
        ("x.yaml", b"schema: llmtui.promptset/1\nsamples: []\n", "this is a prompt set already"),
        ("x.yaml", b"prompts: []\n", "there are no `prompts`"),
        ("x.parquet", b"PAR1", "does not tell the format"),
    ],
)  # fmt: skip
def test_what_cannot_be_imported_is_told(folders: Folders, tmp_path: Path, name: str, data: bytes, told: str) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ConfigError) as caught:
        import_set(folders, tmp_path / name)
    assert told in caught.value.cause
    assert not list(user_folder(folders).glob("*")) if user_folder(folders).exists() else True


def test_an_import_replaces_nothing_unasked(folders: Folders, tmp_path: Path) -> None:
    path = tmp_path / "q.txt"
    path.write_text("one\ntwo\nthree\n")
    assert imported(folders, path, limit=2)[0].samples == 2
    with pytest.raises(UsageError, match="is there already"):
        import_set(folders, path)
    assert imported(folders, path, force=True)[0].samples == 3
    (tmp_path / "empty.txt").write_text("\n\n")
    with pytest.raises(UsageError, match="nothing to import"):
        import_set(folders, tmp_path / "empty.txt")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.text(st.characters(blacklist_categories=("Cs",)), min_size=1), min_size=1, max_size=4))
def test_every_text_survives_writing_and_reading(tmp_path: Path, texts: list[str]) -> None:
    path = tmp_path / "set.yaml"
    drafts = [{"input": literal(text), "targets": [literal(text)], "scorers": [{"type": "contains"}]} for text in texts]
    header = Header(schema="llmtui.promptset/1", name="set")
    write_set(path, header, iter(drafts), on_left=print, on_written=lambda _: None)
    with open_prompt_set(path) as reader:
        found = [(sample.prompt, sample.targets[0]) for sample in reader.samples()]
    wanted = [f" {text}" if text.startswith("file://") else text for text in texts]
    assert found == [(text, text) for text in wanted]


@pytest.mark.parametrize(
    "word", ["1e5", "no", "007", "12:30", "~", "null", "True", ".5", "+1", "0x1f", "- a", "a: b", "#"]
)
def test_words_that_look_like_values_stay_texts(folders: Folders, tmp_path: Path, word: str) -> None:
    path = jsonl(tmp_path / "words.jsonl", {"prompt": word, "target": word})
    assert imported(folders, path)[1][0].targets == (word,)


def test_an_import_of_an_odd_name_makes_a_set_that_can_be_read(folders: Folders, tmp_path: Path) -> None:
    source = tmp_path / "q\udcff\udcfe.txt"
    source.write_text("What is 1 + 1?\n", encoding="utf-8")
    for name in ("my set.yaml", "中文 集.yaml", ".yaml", "file"):
        report = import_set(folders, source, output=tmp_path / name)
        assert report.check.problems == (), name
        assert report.samples == 1

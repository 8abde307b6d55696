"""Values as YAML that our reader takes for the same values, and that people like to read."""

from typing import Any

import yaml

from llmtui.store.yaml_stream import is_text

_WIDTH = 110
_BASE: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class _Dumper(_BASE):  # type: ignore[misc]  # one of two classes, with and without libyaml
    """Texts of several lines as blocks; quotes wherever our reader would take a word for something else."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - PyYAML's signature
        """Nothing is written as a reference to something above."""
        return True


def _represent_text(dumper: Any, text: str) -> Any:
    style = "|" if "\n" in text.strip("\n") else None if is_text(text) else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)


def dump(value: Any) -> str:
    """A value of builtins as YAML: keys keep their order, Chinese stays readable.

    Without the mark of the document's end, which is written behind a text that ends in empty lines: more may follow.
    """
    text: str = yaml.dump(value, Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=_WIDTH)
    return text.removesuffix("\n...\n") + "\n" if text.endswith("\n...\n") else text

"""JSON as servers send it: text that is not quite text costs a character, not the answer."""

import json
from typing import Any, TypeVar

import msgspec

from llmtui.domain.text import well_formed

AnswerT = TypeVar("AnswerT")


def decode_json(data: bytes, answer: type[AnswerT]) -> AnswerT:
    """JSON of a known form. Bytes that are not UTF-8 and halves of surrogate pairs become U+FFFD.

    A token may end within a character, and some servers send each token as they find it.

    Raises:
        msgspec.DecodeError: it is no JSON, or of another form.
        RecursionError: it is nested too deeply.
    """
    try:
        return msgspec.json.decode(data, type=answer, strict=False)
    except msgspec.ValidationError:
        raise
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        try:
            found: Any = json.loads(data.decode(errors="replace"))
        except ValueError:
            raise msgspec.DecodeError(str(error)) from error
        return msgspec.json.decode(well_formed(json.dumps(found, ensure_ascii=False)), type=answer, strict=False)

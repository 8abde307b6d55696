"""The errors a user can meet: what happened, why, and what to do about it.

Engine boundaries translate foreign exceptions into these; front ends show the three parts and take the exit code.
Cancellation is not among them: a cancelled turn is a finished one.
"""


class LlmtuiError(Exception):
    """An error with a title (what), a cause (why, where) and a remedy (what to do).

    Attributes:
        title: one short sentence without a full stop.
        cause: the detail: path, field, number, last log line. May be empty.
        remedy: what the user can do. Never empty.
        exit_code: of the command line (0 done, 1 some failed, 2 usage, 3 model or engine, 130 interrupted).
    """

    exit_code = 1

    def __init__(self, title: str, *, cause: str = "", remedy: str) -> None:
        super().__init__(title)
        self.title = title
        self.cause = cause
        self.remedy = remedy

    def __str__(self) -> str:
        what = ": ".join(part.rstrip(".") for part in (self.title, self.cause) if part)
        return f"{what}. {self.remedy.rstrip('.')}."


class UsageError(LlmtuiError):
    """The words of a command are off: an unknown model, an argument out of range."""

    exit_code = 2


class ConfigError(LlmtuiError):
    """A file the user wrote (config, profile, prompt set) is not valid; the cause names file and field."""

    exit_code = 2


class ModelError(LlmtuiError):
    """A model file cannot be read or loaded."""

    exit_code = 3


class OutOfMemoryError(ModelError):
    """A model does not fit into the memory that is free; it may when other models are unloaded."""


class EngineError(LlmtuiError):
    """An engine failed while it worked: the worker died, a server answered an error."""

    exit_code = 3


class ContextError(LlmtuiError):
    """The prompt is longer than the context; nothing was evaluated."""

    exit_code = 3


class TemplateError(LlmtuiError):
    """The model's chat template raised, is not valid, or ran out of its time."""

    exit_code = 3


class StoreError(LlmtuiError):
    """A transcript cannot be read, written or locked."""

    exit_code = 1

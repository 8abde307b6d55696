"""What a served turn should make the user aware of."""

from llmtui.domain.events import Notice

SURELY = 0.6
"""Of an estimate of tokens: no tokenizer in use reads a text in fewer."""


def truncation(sent: int, read: int | None, context_size: int | None) -> Notice | None:
    """The alarm for a prompt of which the server read only a part; None when it read all, or nobody knows.

    Some versions of servers leave cached tokens out of their count: so a count that is too small is believed only where
    the prompt is longer than the context, and must have been cut.

    Args:
        sent: tokens of the prompt, as we estimate them.
        read: tokens of the prompt as the server counts them; None where it does not.
        context_size: of the server, in tokens; None where unknown.
    """
    surely = round(sent * SURELY)
    if read is None or context_size is None or read >= surely or surely < context_size:
        return None
    return cut_prompt(read, f"about {sent:,}", context_size)


def cut_prompt(read: int, sent: str, context_size: int | None) -> Notice:
    """The alarm in words; `sent` is the count of tokens as it is to be shown."""
    room = "" if context_size is None else f" (its context holds {context_size:,})"
    return Notice(
        "truncated",
        f"The server read only {read:,} of {sent} tokens of the prompt{room}: "
        "the answer ignores the beginning of the conversation",
        "Load the model with a larger context, or start a new chat.",
    )

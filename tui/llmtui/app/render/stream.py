"""An answer as it grows: closed blocks are parsed once, the open tail is plain text."""

from llmtui.app.render.lines import Line, wrap_plain
from llmtui.app.render.markdown import LONGEST, render_markdown
from llmtui.app.render.palette import Palette
from llmtui.app.render.parse import split_closed
from llmtui.domain.text import visible


class MarkdownStream:
    """Rows of a growing text.

    Args:
        width: cells of a row.
        palette: the styles.

    Attributes:
        rows: of the text so far.
    """

    def __init__(self, width: int, palette: Palette) -> None:
        self._width = width
        self._palette = palette
        self._start()

    def _start(self) -> None:
        self.rows: list[Line] = []
        self._text = ""
        self._closed = self._closed_rows = 0
        """Where the closed blocks end, in the text and in the rows."""
        self._settled = self._settled_rows = 0
        """Where the rows of the open tail that stay as they are end."""

    def update(self, full_text: str) -> int:
        """Take the text so far; gives the first row that changed, or the number of rows when none did.

        Args:
            full_text: begins with all that the last call brought.
        """
        text = visible(full_text.removesuffix("\r"))
        if not text.startswith(self._text):
            self._start()
        before = list(self.rows[self._closed_rows :])
        first = self._closed_rows
        self._text = text
        if len(text) <= LONGEST:
            self._close_blocks()
        self._lay_out_tail()
        changed = 0
        after = self.rows[first:]
        while changed < min(len(before), len(after)) and before[changed] == after[changed]:
            changed += 1
        return first + changed

    def finish(self, full_text: str) -> list[Line]:
        """The rows of the finished text; what is closed already is not parsed again."""
        self.update(full_text)
        del self.rows[self._closed_rows :]
        self._append_block(self._text[self._closed :])
        return self.rows

    def _close_blocks(self) -> None:
        tail = self._text[self._closed :]
        size = split_closed(tail)
        if not size:
            return
        del self.rows[self._closed_rows :]
        self._append_block(tail[:size])
        self._closed += size
        self._closed_rows = self._settled_rows = len(self.rows)
        self._settled = self._closed

    def _append_block(self, source: str) -> None:
        rows = render_markdown(source, self._width, self._palette)
        if rows and self._needs_blank(source):
            self.rows.append(Line([], 0))
        self.rows.extend(rows)

    def _needs_blank(self, source: str) -> bool:
        if not self.rows:
            return False
        before = self._text[: self._closed].removesuffix("\n").rpartition("\n")[2]
        return not before.strip() or not source.partition("\n")[0].strip()

    def _lay_out_tail(self) -> None:
        """Wrap the tail; what is settled of it is laid out once."""
        del self.rows[self._settled_rows :]
        tail = self._text[self._settled :]
        if self._settled == self._closed:
            shown = tail.lstrip("\n")
            if not shown:
                return
            if self._needs_blank(tail):
                self.rows.append(Line([], 0))
            self._settled += len(tail) - len(shown)
            self._settled_rows = len(self.rows)
            tail = shown
        finished = tail.rfind("\n") + 1
        if finished:
            self.rows.extend(wrap_plain(tail[: finished - 1], self._width, self._palette.text))
            self._settled += finished
            self._settled_rows = len(self.rows)
        self._lay_out_unfinished(tail[finished:])

    def _lay_out_unfinished(self, line: str) -> None:
        """Wrap the line that still grows. All rows but its last are settled: nothing later moves a break before it."""
        if not line:
            return
        rows = wrap_plain(line, self._width, self._palette.text)
        self.rows.extend(rows)
        if len(rows) > 1 and "\t" not in line:
            self._settled += sum(len(row.plain) + len(row.joint) for row in rows[:-1])
            self._settled_rows = len(self.rows) - 1

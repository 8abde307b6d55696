"""A text that is being edited, wrapped like all other text of the program."""

from textual.document._wrapped_document import WrappedDocument
from textual.widgets.text_area import Location

from llmtui.app.render.lines import edit_offsets


class EditedText(WrappedDocument):
    """Breaks between Chinese characters too, where Textual's own breaks at spaces only.

    Every edit wraps the whole text again: a draft is short, long pastes are folded before they get here.
    """

    def wrap(self, width: int, tab_width: int | None = None) -> None:
        """Wrap all lines; those with tabs as Textual does it."""
        super().wrap(width, tab_width)
        if not width:
            return
        self._offset_to_line_info = []
        self._line_index_to_offsets = []
        for index, line in enumerate(self.document.lines):
            if "\t" not in line:
                self._wrap_offsets[index] = edit_offsets(line, width)
            top = len(self._offset_to_line_info)
            rows = len(self._wrap_offsets[index]) + 1
            self._offset_to_line_info.extend((index, row) for row in range(rows))
            self._line_index_to_offsets.append(list(range(top, top + rows)))

    def wrap_range(self, start: Location, old_end: Location, new_end: Location) -> None:  # noqa: ARG002 - overrides
        """Wrap after an edit."""
        self.wrap(self._width)

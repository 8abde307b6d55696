"""Server-sent events out of bytes."""

from hypothesis import given
from hypothesis import strategies as st

from llmtui.engines.openai.sse import EventParser

EVENTS = st.lists(st.text(st.characters(exclude_characters="\n\r", codec="utf-8"), min_size=1), max_size=5)


@given(EVENTS, st.data())
def test_events_come_whole_however_the_bytes_are_cut(events: list[str], data: st.DataObject) -> None:
    end = data.draw(st.sampled_from(["\n", "\r\n"]))
    stream = "".join(f": ping{end}event: x{end}data: {event}{end}{end}" for event in events).encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    parser, found = EventParser(), []
    for start, stop in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        found += parser.feed(stream[start:stop])
    assert [event.decode() for event in found + parser.end()] == events


def test_several_data_lines_are_one_event() -> None:
    parser = EventParser()
    assert parser.feed(b"data: a\ndata:b\n\ndata: rest") == [b"a\nb"]
    assert parser.end() == [b"rest"]

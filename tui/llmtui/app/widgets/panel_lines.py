"""The profiler's rows as plain data: spans of text with a role each. No widget, no colour."""

from typing import Literal

from rich.cells import cell_len

from llmtui.app import format as fmt
from llmtui.app.widgets.sparkline import bar, sparkline
from llmtui.domain.snapshot import ProfilerSnapshot, TurnRow

Role = Literal["title", "label", "value", "unit", "bar", "track", "spark", "alarm"]
Line = list[tuple[str, Role]]

LABEL_WIDTH = 9
ALARM_FRACTION = 0.9
"""From here on a context is shown as nearly full."""

_COLUMNS = (("#", 3), ("tok/s", 7), ("ttft", 7), ("tok", 6), ("ctx", 7), ("mem", 6))


def panel_lines(snapshot: ProfilerSnapshot, width: int, height: int) -> list[Line]:
    """All rows that fit into `height`; the table of turns takes what is left and keeps its newest rows."""
    groups = (
        _decode(snapshot, width),
        _prefill(snapshot, width),
        _latency(snapshot, width),
        _context(snapshot, width),
        _memory(snapshot, width),
        _machine(snapshot, width),
    )
    lines: list[Line] = []
    for group in groups:
        lines += [*group, []]
    if len(lines) + 3 > height:
        lines = [line for line in lines if line]
        lines.append([])
    lines += _turns(snapshot.rows, width, height - len(lines))
    return lines[:height]


def _row(label: str, right: Line, width: int, role: Role = "label") -> Line:
    used = cell_len(label) + sum(cell_len(text) for text, _ in right)
    return [(label, role), ("".rjust(max(1, width - used)), "label"), *right]


def _decode(snap: ProfilerSnapshot, width: int) -> list[Line]:
    speed: Line = [
        (fmt.rate(snap.decode_tps), "value"),
        (" tok/s", "unit"),
        (fmt.rate(snap.decode_cps).rjust(9), "value"),
        (" 字/s", "unit"),
    ]
    spark: Line = [(sparkline(snap.rates, width), "spark")]
    return [_row("decode", speed, width), spark]


def _prefill(snap: ProfilerSnapshot, width: int) -> list[Line]:
    speed: Line = [(fmt.rate(snap.prefill_tps), "value"), (" tok/s", "unit")]
    if snap.prefill_done is not None and snap.prompt_tokens:
        done: Line = [
            (fmt.integer(snap.prefill_done), "value"),
            (" / ", "unit"),
            (fmt.integer(snap.prompt_tokens), "value"),
        ]
        filled, track = bar(snap.prefill_done / snap.prompt_tokens, width - LABEL_WIDTH - sum(len(t) for t, _ in done))
        return [_row("prefill", speed, width), [(" reading ", "label"), (filled, "bar"), (track, "track"), *done]]
    cached: Line = [
        (fmt.integer(snap.cached_tokens), "value"),
        (" of ", "unit"),
        (fmt.integer(snap.prompt_tokens), "value"),
        (" tok", "unit"),
    ]
    return [_row("prefill", speed, width), _row(" cached", cached, width)]


def _latency(snap: ProfilerSnapshot, width: int) -> list[Line]:
    ttft: Line = [(fmt.seconds(snap.ttft_s), "value"), (" s", "unit")]
    gaps: Line = [
        ("p50 ", "unit"),
        (fmt.milliseconds(snap.itl_p50_ms), "value"),
        ("  p95 ", "unit"),
        (fmt.milliseconds(snap.itl_p95_ms), "value"),
        (" ms", "unit"),
    ]
    return [_row("ttft", ttft, width), _row("itl", gaps, width)]


def _context(snap: ProfilerSnapshot, width: int) -> list[Line]:
    fraction = snap.context_fraction
    alarm = fraction is not None and fraction >= ALARM_FRACTION
    counts: Line = [
        (fmt.integer(snap.context_used), "alarm" if alarm else "value"),
        (" / ", "unit"),
        (fmt.integer(snap.context_size), "value"),
    ]
    share = fmt.percent(fraction).rjust(6)
    filled, track = bar(fraction, width - len(share))
    return [
        _row("context", counts, width),
        [(filled, "alarm" if alarm else "bar"), (track, "track"), (share, "alarm" if alarm else "value")],
    ]


def _memory(snap: ProfilerSnapshot, width: int) -> list[Line]:
    parts = snap.memory
    rows = [_row("memory", _sized(snap.rss_bytes if snap.rss_bytes is not None else parts.total_bytes), width)]
    named = [
        ("weights", parts.weights_bytes),
        ("kv", parts.kv_bytes),
        ("recurrent", parts.recurrent_bytes),
        ("compute", parts.compute_bytes),
        ("output", parts.output_bytes),
        ("process, anonymous", snap.rss_anon_bytes),
        ("process, mapped", snap.rss_file_bytes),
    ]
    always = {"weights", "kv", "compute", "process, anonymous"}
    rows += [_row(f" {name}", _sized(value), width) for name, value in named if value is not None or name in always]
    return rows


def _machine(snap: ProfilerSnapshot, width: int) -> list[Line]:
    load: Line = [(fmt.seconds(snap.load_s), "value"), (" s", "unit")]
    cpu: Line = [
        (fmt.integer(snap.threads), "value"),
        (" threads", "unit"),
        (fmt.UNKNOWN.rjust(6) if snap.cpu_percent is None else f"{snap.cpu_percent:6.0f}", "value"),
        (" %", "unit"),
    ]
    rows = [_row("load", load, width), _row("cpu", cpu, width)]
    gpu = snap.gpu
    if gpu.name is not None:
        used = gpu.process_bytes if gpu.process_bytes is not None else gpu.used_bytes
        reading: Line = [
            (fmt.short_size(used), "value"),
            (fmt.UNKNOWN.rjust(6) if gpu.util_percent is None else f"{gpu.util_percent:6.0f}", "value"),
            (" %", "unit"),
            (fmt.UNKNOWN.rjust(6) if gpu.power_w is None else f"{gpu.power_w:6.0f}", "value"),
            (" W", "unit"),
        ]
        rows.append(_row("gpu", reading, width))
    return rows


def _sized(value: int | None) -> Line:
    number, _, unit = fmt.size(value).partition(" ")
    return [(number, "value"), (f" {unit}".ljust(4) if unit else "    ", "unit")]


def _turns(rows: tuple[TurnRow, ...], width: int, room: int) -> list[Line]:
    if room < 2:
        return []
    lines: list[Line] = [[(_table_row([name for name, _ in _COLUMNS], width), "label")]]
    lines += [[(_table_row(_cells(row), width), "value")] for row in rows[-(room - 1) :]]
    return lines


def _cells(row: TurnRow) -> list[str]:
    return [
        str(row.number),
        fmt.rate(row.decode_tps),
        fmt.seconds(row.ttft_s),
        fmt.integer(row.tokens),
        fmt.integer(row.context_used),
        fmt.short_size(row.memory_bytes),
    ]


def _table_row(cells: list[str], width: int) -> str:
    line = "".join(cell.rjust(size) for cell, (_, size) in zip(cells, _COLUMNS, strict=True))
    return line.rjust(width)[-width:] if len(line) <= width else line[len(line) - width :]


def status_text(snapshot: ProfilerSnapshot, width: int) -> str:
    """The profiler on one line: the fields that fit, most telling first."""
    if snapshot.phase == "prefill" and snapshot.prefill_done is not None:
        first = f"reading prompt {fmt.integer(snapshot.prefill_done)} / {fmt.integer(snapshot.prompt_tokens)}"
    else:
        first = f"{fmt.rate(snapshot.decode_tps)} tok/s"
    context = f"ctx {fmt.integer(snapshot.context_used)} / {fmt.integer(snapshot.context_size)}"
    fields = [
        first,
        f"ttft {fmt.seconds(snapshot.ttft_s)} s",
        f"{context} {fmt.percent(snapshot.context_fraction)}",
        f"mem {fmt.size(snapshot.rss_bytes)}",
        f"{fmt.rate(snapshot.decode_cps)} 字/s",
        f"prefill {fmt.rate(snapshot.prefill_tps)} tok/s",
        f"cached {fmt.integer(snapshot.cached_tokens)}",
        f"itl {fmt.milliseconds(snapshot.itl_p50_ms)}/{fmt.milliseconds(snapshot.itl_p95_ms)} ms",
    ]
    line = fields[0]
    for field in fields[1:]:
        longer = f"{line} · {field}"
        if cell_len(longer) > width:
            break
        line = longer
    return line

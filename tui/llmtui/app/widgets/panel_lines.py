"""The profiler's rows as plain data: spans of text with a role each. No widget, no colour."""

from typing import Literal

from rich.cells import cell_len, set_cell_size

from llmtui.app import format as fmt
from llmtui.app.widgets.sparkline import BLOCKS, bar, sparkline
from llmtui.domain.snapshot import ProfilerSnapshot, TurnRow

Role = Literal["label", "value", "unit", "bar", "track", "spark", "alarm"]
Line = list[tuple[str, Role]]

UNIT_WIDTH = 5
"""Cells of the longest unit, `tok/s`."""
ALARM_FRACTION = 0.9
"""From here on a context is shown as nearly full."""

_COLUMNS = (("#", 3), ("tok/s", 6), ("ttft", 6), ("tok", 7), ("ctx", 8), ("mem", 7))


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


def _row(label: str, number: str, unit: str, width: int, role: Role = "value") -> Line:
    """A label at the left, a number against the column of units at the right."""
    tail = f" {set_cell_size(unit, UNIT_WIDTH)}"
    room = width - cell_len(label) - cell_len(number) - cell_len(tail)
    return [(label + " " * max(1, room), "label"), (number, role), (tail, "unit")]


def _decode(snap: ProfilerSnapshot, width: int) -> list[Line]:
    spark: Line = [(sparkline(snap.rates, width), "spark")] if snap.rates else [(BLOCKS[0] * width, "track")]
    return [
        _row("decode", fmt.rate(snap.decode_tps), "tok/s", width),
        _row("", fmt.rate(snap.decode_cps), "字/s", width),
        spark,
    ]


def _prefill(snap: ProfilerSnapshot, width: int) -> list[Line]:
    speed = _row("prefill", fmt.rate(snap.prefill_tps), "tok/s", width)
    if snap.prefill_done is not None and snap.prompt_tokens:
        done = f"{fmt.integer(snap.prefill_done)} / {fmt.integer(snap.prompt_tokens)}"
        filled, track = bar(snap.prefill_done / snap.prompt_tokens, width - len(done) - UNIT_WIDTH - 2)
        return [
            speed,
            [(filled, "bar"), (track, "track"), (f" {done}", "value"), (" tok".ljust(UNIT_WIDTH + 1), "unit")],
        ]
    return [
        speed,
        _row("  cached", f"{fmt.integer(snap.cached_tokens)} / {fmt.integer(snap.prompt_tokens)}", "tok", width),
    ]


def _latency(snap: ProfilerSnapshot, width: int) -> list[Line]:
    gaps = f"{fmt.milliseconds(snap.itl_p50_ms)} / {fmt.milliseconds(snap.itl_p95_ms)}"
    return [_row("ttft", fmt.seconds(snap.ttft_s), "s", width), _row("itl p50 / p95", gaps, "ms", width)]


def _context(snap: ProfilerSnapshot, width: int) -> list[Line]:
    fraction = snap.context_fraction
    alarm = fraction is not None and fraction >= ALARM_FRACTION
    role: Role = "alarm" if alarm else "value"
    counts = f"{fmt.integer(snap.context_used)} / {fmt.integer(snap.context_size)}"
    share = fmt.UNKNOWN if fraction is None else f"{fraction * 100:.0f}"
    filled, track = bar(fraction, width - UNIT_WIDTH - 6)
    return [
        _row("context", counts, "tok", width, role),
        [(filled, "alarm" if alarm else "bar"), (track, "track"), (share.rjust(5), role), (" %".ljust(6), "unit")],
    ]


def _memory(snap: ProfilerSnapshot, width: int) -> list[Line]:
    parts = snap.memory
    if snap.served:
        gpu = [] if parts.gpu_bytes is None else [_sized("  on the GPU", parts.gpu_bytes, width)]
        return [_sized("memory", parts.total_bytes, width), *gpu, [("  in the server's process", "label")]]
    total = snap.rss_bytes if snap.rss_bytes is not None else parts.total_bytes
    named = [
        ("weights", parts.weights_bytes),
        ("kv", parts.kv_bytes),
        ("recurrent", parts.recurrent_bytes),
        ("compute", parts.compute_bytes),
        ("output", parts.output_bytes),
        ("process, anonymous", snap.rss_anon_bytes),
        ("process, mapped", snap.rss_file_bytes),
    ]
    always = {"weights", "kv", "compute", "process, anonymous", "process, mapped"}
    shown = [(name, value) for name, value in named if value is not None or name in always]
    return [_sized("memory", total, width), *(_sized(f"  {name}", value, width) for name, value in shown)]


def _machine(snap: ProfilerSnapshot, width: int) -> list[Line]:
    threads = "" if snap.threads is None else f", {snap.threads} thread{'' if snap.threads == 1 else 's'}"
    rows = [
        _row("load", fmt.seconds(snap.load_s), "s", width),
        _row(f"cpu{threads}", _whole(snap.cpu_percent), "%", width),
    ]
    gpu = snap.gpu
    if gpu.name is not None:
        used = gpu.process_bytes if gpu.process_bytes is not None else gpu.used_bytes
        rows += [
            _sized("gpu memory", used, width),
            _row("gpu use", _whole(gpu.util_percent), "%", width),
            _row("gpu power", _whole(gpu.power_w), "W", width),
        ]
    return rows


def _whole(value: float | None) -> str:
    return fmt.UNKNOWN if value is None else f"{value:.0f}"


def _sized(label: str, value: int | None, width: int) -> Line:
    number, _, unit = fmt.size(value).partition(" ")
    return _row(label, number, unit, width)


def _turns(rows: tuple[TurnRow, ...], width: int, room: int) -> list[Line]:
    if room < 2 or not rows:
        return []
    lines: list[Line] = [[(_table_row([name for name, _ in _COLUMNS], width), "label")]]
    lines += [[(_table_row(_cells(row), width), "value")] for row in rows[-(room - 1) :]]
    return lines


def _cells(row: TurnRow) -> list[str]:
    return [
        str(row.number),
        fmt.short_rate(row.decode_tps),
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

"""One turn: the engine's events passed on, folded, and put away in the transcript."""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Callable

import msgspec

from llmtui.domain.defaults import Settled
from llmtui.domain.events import Failed, Finished, Timings, TurnEvent
from llmtui.domain.messages import Message
from llmtui.domain.metrics import GpuReading, HostReading
from llmtui.domain.models import LoadedModel
from llmtui.domain.profile import Mode
from llmtui.domain.settings import Runtime
from llmtui.domain.text import well_formed
from llmtui.domain.transcript import HeadRecord, MessageRecord, PartialRecord, Record, TurnRecord
from llmtui.engines.base import Engine
from llmtui.services.conversation import RunningTurn, Turn, is_last, is_refused
from llmtui.services.journal import Journal
from llmtui.services.prompting import Asked
from llmtui.services.sending import manifest_of, request_of
from llmtui.services.streams import turn_events
from llmtui.services.summary import summary_line
from llmtui.store.machine import Machine
from llmtui.store.transcripts import NO_MESSAGE

RELOAD = "Load the model again and resend"
PARTIAL_EVERY_S = 0.8
"""While text comes, it is on its way to the disk this soon: under the second that a kill may cost."""


class TurnSetting(msgspec.Struct, frozen=True, kw_only=True):
    """What a turn is run with.

    Attributes:
        settled: settings of the turn, and which of them are the publisher's.
        asked: what the model is sent.
        refusal: why it is sent nothing.
        mode: how the conversation is put.
        speaker: the character that answers; None where the model speaks for itself.
        load_s: when this is the first turn after a load.
        read_machine: the measured figures of this machine, from disk.
    """

    engine: Engine
    loaded: LoadedModel
    runtime: Runtime
    settled: Settled
    asked: Asked
    refusal: Failed | None = None
    mode: Mode = "instruct"
    speaker: str | None = None
    load_s: float | None
    read_machine: Callable[[], Machine]


class TurnRunner:
    """Runs one turn.

    Args:
        turn: takes every event.
        setting: what it is run with.
        journal: of the chat.
        keep: takes the answer as soon as it has ended, unless it ended before any text.
        note: takes the turn with its figures.
    """

    def __init__(
        self,
        turn: RunningTurn,
        setting: TurnSetting,
        journal: Journal,
        *,
        keep: Callable[[Message], None],
        note: Callable[[Turn], None],
    ) -> None:
        self._turn = turn
        self._setting = setting
        self._journal = journal
        self._keep = keep
        self._note = note
        self._timer: asyncio.TimerHandle | None = None
        self._ending: asyncio.Task[None] | None = None

    async def events(self) -> AsyncGenerator[TurnEvent]:
        """All events but the last, which is `turn.last_event` when this ends; the turn is put away by then."""
        turn, engine = self._turn, self._setting.engine
        before = asyncio.ensure_future(self._read_host())
        setting, chat = self._setting, str(self._journal.path)
        request = request_of(turn.message_id, setting.asked, setting.settled.sampling, conversation=chat)
        turn.trimmed = self._setting.asked.trimmed
        try:
            if self._setting.refusal is not None:
                turn.add(self._setting.refusal)
            elif not turn.is_stopping():
                turn.state = "prefill"
                async with contextlib.aclosing(turn_events(engine, request, remedy=RELOAD)) as events:
                    async for event in events:
                        turn.add(event)
                        if is_last(event):
                            break
                        self._schedule_partial()
                        if turn.is_stopping():
                            await engine.cancel(turn.message_id)
                        yield event
        finally:
            if self._timer is not None:
                self._timer.cancel()
            if turn.last_event is None:
                turn.add(Finished(reason="cancelled", timings=Timings(), t_ns=time.perf_counter_ns()))
            self._ending = asyncio.ensure_future(self._put_away(before))
            await asyncio.shield(self._ending)

    async def ended(self) -> None:
        """Wait until the turn is put away, also when whoever consumed its events was cancelled."""
        if self._ending is not None:
            await asyncio.wait([self._ending])

    async def _put_away(self, before: "asyncio.Future[HostReading | None]") -> None:
        """Keep the answer at once, then its figures: what can fail comes after what must not be lost."""
        turn, setting, fold = self._turn, self._setting, self._turn.fold
        if fold.failure is not None:
            fold.end(time.perf_counter_ns())
        message = self._message()
        records: list[Record] = [MessageRecord(message=message)]
        if fold.text or (turn.instead is None and fold.finish_reason not in {"cancelled", "error"}):
            self._keep(message)
        else:
            question = turn.question
            head = question.id
            if is_refused(fold):
                head = question.parent_id or NO_MESSAGE
            records.append(HeadRecord(message_id=turn.instead or head))
        self._write(*records)
        first, last = await before, await self._read_host()
        machine = await self._journal.call(setting.read_machine)
        metrics = fold.metrics(
            setting.loaded,
            host=last,
            gpu_before=first.gpu if first else GpuReading(),
            load_s=setting.load_s,
            memory_bandwidth=machine.memory_bandwidth if machine else None,
        )
        manifest = manifest_of(
            setting.loaded, setting.runtime, setting.settled, fold, asked=setting.asked, mode=setting.mode
        )
        done = Turn(message=message, metrics=metrics, manifest=manifest, summary=summary_line(metrics))
        self._note(done)
        await self._journal.save(
            TurnRecord(
                message_id=message.id,
                finish_reason=fold.finish_reason or "error",
                metrics=metrics,
                manifest=manifest,
                summary=done.summary,
            )
        )

    def _message(self) -> Message:
        turn = self._turn
        return Message(
            id=turn.message_id,
            parent_id=turn.question.id,
            role="assistant",
            content=well_formed(turn.text) if turn.fold.text else "",
            created_at=turn.created_at,
            model=self._setting.loaded.name,
            finish_reason=turn.fold.finish_reason,
            error=_error_text(turn.fold.failure),
            reasoning=well_formed(turn.fold.reasoning) or None,
            speaker=self._setting.speaker,
            notices=tuple(well_formed(f"{notice.text}. {notice.remedy}") for notice in turn.fold.notices),
        )

    async def _read_host(self) -> HostReading | None:
        """A look of this moment: the sampler's last one can be half a second old, which is longer than short turns."""
        from llmtui.probes.host import read_host  # noqa: PLC0415 - psutil is not needed before the first turn

        pid = self._setting.loaded.pid
        return await self._journal.call(lambda: read_host(pid))

    def _schedule_partial(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(PARTIAL_EVERY_S, self.save_partial)

    def save_partial(self) -> None:
        """Have the text that came since the last time written; nothing once the turn has ended."""
        self._timer = None
        turn, text = self._turn, self._turn.text
        if turn.last_event is not None or len(text) == turn.saved_characters:
            return
        record = PartialRecord(
            id=turn.message_id,
            parent_id=turn.question.id,
            model=self._setting.loaded.name,
            offset=turn.saved_characters,
            text=well_formed(text[turn.saved_characters :]),
            created_at=turn.created_at,
        )
        turn.saved_characters = len(text)
        self._write(record)

    def _write(self, *records: Record) -> None:
        """Write with, behind an answer that stands beside the conversation, what that goes on ending with."""
        head = self._turn.head
        self._journal.write(*records, *([HeadRecord(message_id=head)] if head is not None else []))


def _error_text(failure: Failed | None) -> str | None:
    if failure is None:
        return None
    return well_formed(": ".join(part for part in (failure.title, failure.cause) if part))

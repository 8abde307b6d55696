"""One answer on standard output: the streaming, the interrupt, and what is told afterwards."""

import asyncio
import signal
from typing import Any

import msgspec

from llmtui.cli import output
from llmtui.cli.failures import INTERRUPTED, tell
from llmtui.domain.messages import ChatMessage
from llmtui.domain.profile import Wanted
from llmtui.domain.templates import NamedTemplate
from llmtui.services.ask import AnswerReport, ask
from llmtui.services.profiles import wanted
from llmtui.services.setup import prepare
from llmtui.services.wiring import Services


def answer(
    prompt: str,
    *,
    raw: bool,
    template: str | None,
    system: str | None,
    model: str | None,
    profile: str | None,
    runtime: dict[str, Any],
    adapters: tuple[str, ...],
    sampling: dict[str, Any],
    stats: bool,
    as_json: bool,
    dry_run: bool = False,
) -> int:
    """Ask, stream the answer, and return the exit code.

    Args:
        prompt: what is asked.
        raw: continue the prompt as it is; no system message is sent then.
        template: a name or file; None takes the profile's or the model's own.
        system: None takes the profile's or the configured system message; an empty one sends none.
        model: None takes the configured model.
        profile: by name or path; None takes the configured one.
        runtime: fields of `Runtime` over those of the profile and the configuration.
        adapters: LoRA adapters to attach, as the user wrote them.
        sampling: fields of `Sampling` over those of the profile and the configuration.
        stats: print the metrics to standard error.
        as_json: print one JSON object instead of the answer.
        dry_run: print what would be sent, and ask nothing.
    """
    services = prepare(profile=profile, **runtime)
    _attach(services, adapters)
    chosen = None if raw else services.template if template is None else _named(services, template)
    system = "" if raw else system
    asking = wanted(services.config, services.own, services.profile, flags=sampling, system=system, template=chosen)
    asked = prompt if raw else _conversation(asking.system, prompt)
    if dry_run:
        from llmtui.cli.dry_run import show  # noqa: PLC0415 - needed for this option only

        return show(services, model, asked, asking, as_json=as_json)
    report = asyncio.run(_stream(services, model, asked, asking, as_json=as_json))
    settings = asking.sampling
    if report.finish_reason == "length" and (settings.json_schema is not None or settings.grammar is not None):
        output.note("warning: the answer is cut off before it had the form asked for; more tokens: --max-tokens N")
    _tell_unheeded(report, runtime)
    return _tell_report(report, stats=stats, as_json=as_json)


def _named(services: Services, template: str) -> NamedTemplate:
    from llmtui.services.templates import find_template  # noqa: PLC0415 - needed for this option only

    return find_template(services.folders, template)


def _attach(services: Services, adapters: tuple[str, ...]) -> None:
    """Have LoRA adapters attached when the model is loaded; the profile's, where none is given."""
    if adapters:
        from llmtui.services.adapters import parse_adapter  # noqa: PLC0415 - needed for this option only

        found = tuple(parse_adapter(services.catalogue, text) for text in adapters)
        services.host.runtime = msgspec.structs.replace(services.host.runtime, adapters=found)


def _tell_unheeded(report: AnswerReport, runtime: dict[str, Any]) -> None:
    """Say which options of a load did nothing, because the model was loaded by a server; what it has anyhow is fine."""
    manifest = report.manifest
    if manifest is None or manifest.engine == "llama.cpp":
        return
    granted = manifest.context_granted is not None and manifest.context_granted == runtime.get("context")
    heeded = {"context"} if granted or manifest.engine == "ollama" else set()
    if unheeded := sorted(runtime.keys() - heeded):
        names = ", ".join(f"`{name}`" for name in unheeded)
        output.note(f"note: {names} did nothing: the server loads its models in its own way")


def _conversation(system: str | None, question: str) -> tuple[ChatMessage, ...]:
    messages = [ChatMessage("system", system)] if system else []
    return (*messages, ChatMessage("user", question))


async def _stream(
    services: Services,
    model: str | None,
    prompt: tuple[ChatMessage, ...] | str,
    asking: Wanted,
    *,
    as_json: bool,
) -> AnswerReport:
    """Stream the answer to standard output; the first Ctrl-C stops the turn, the second one the program."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def interrupt() -> None:
        stop.set()
        loop.remove_signal_handler(signal.SIGINT)

    loop.add_signal_handler(signal.SIGINT, interrupt)
    progress, writer = output.ProgressLine(), output.AnswerWriter()

    def on_text(piece: str) -> None:
        progress.clear()
        writer.write(piece)

    try:
        return await ask(
            services,
            model,
            prompt,
            asking,
            on_text=(lambda _: progress.clear()) if as_json else on_text,
            on_progress=progress.show,
            stop=stop,
        )
    finally:
        progress.clear()
        if not as_json:
            writer.end()


def _tell_report(report: AnswerReport, *, stats: bool, as_json: bool) -> int:
    if as_json:
        output.write_json(msgspec.to_builtins(report))
    if stats:
        from llmtui.cli.stats import stats_lines  # noqa: PLC0415 - needed for this option only

        for line in stats_lines(report.metrics, report.manifest.template_source if report.manifest else None):
            output.note(line)
    if report.smaller_context is not None:
        asked, granted = report.smaller_context
        local = report.manifest is not None and report.manifest.engine == "llama.cpp"
        why = "the model was trained on no more" if local else "the server grants no more"
        output.note(f"note: the context is {granted:,} tokens, not {asked:,}: {why}")
    for notice in report.notices:
        output.note(f"warning: {notice}")
    match report.finish_reason:
        case "cancelled":
            output.note("interrupted")
            return INTERRUPTED
        case "context_full":
            output.note("warning: the context is full, the answer is cut off; a larger one: --context N")
    error = report.as_error()
    if error is None:
        return 0
    tell(error)
    return error.exit_code

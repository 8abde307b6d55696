"""Whether this machine and this installation are fit for use, as checks that front ends only lay out."""

import asyncio
from collections.abc import AsyncIterator

from llmtui.engines.llama.features import Features
from llmtui.services.checkup import code, files, hardware, software
from llmtui.services.checkup.demo import demo_model
from llmtui.services.checkup.report import DoctorReport, Section
from llmtui.services.wiring import build
from llmtui.store.paths import Folders


async def sections() -> AsyncIterator[Section]:
    """Look at everything, a section at a time, since memory bandwidth and the demo model take a second or more each."""
    folders = Folders.resolve()
    yield Section("versions", await asyncio.to_thread(software.versions))
    engine = await asyncio.to_thread(software.ask_build)
    yield Section("llama.cpp", software.llama_build(engine))
    yield Section("machine", await asyncio.to_thread(hardware.machine, folders))
    yield Section(
        "gpu", await asyncio.to_thread(hardware.gpu, offload=isinstance(engine, Features) and engine.gpu_offload)
    )
    yield Section("terminal", software.terminal())
    yield Section("code in answers", await asyncio.to_thread(code.sandbox))
    config, check = files.configuration(folders)
    services = build(config, folders)
    models = await asyncio.to_thread(files.model_folders, services.catalogue)
    yield Section("files", (check, *files.own_folders(folders), *models))
    yield Section("demo model", await demo_model(services))


async def examine() -> DoctorReport:
    """The whole report."""
    found = tuple([section async for section in sections()])
    return DoctorReport(ok=passed(found), sections=found)


def passed(found: tuple[Section, ...]) -> bool:
    """Whether no check failed; a warning is not a failure."""
    return all(check.status != "fail" for section in found for check in section.checks)

"""The model that comes along: it must load and answer, or the engine does not work here."""

import asyncio

from llmtui.domain.messages import ChatMessage
from llmtui.domain.profile import Wanted
from llmtui.domain.settings import Sampling
from llmtui.errors import LlmtuiError
from llmtui.services.ask import ask
from llmtui.services.checkup.report import Check
from llmtui.services.wiring import Services

_QUESTION = (ChatMessage("user", "hello"),)
_ONE_TOKEN = Wanted.plain(Sampling(temperature=0, max_tokens=1, ignore_eos=True))


async def demo_model(services: Services) -> tuple[Check, ...]:
    """Load the demo model in a worker of its own and have it generate one token."""
    key, label = "demo", "demo"
    try:
        report = await ask(
            services,
            "demo",
            _QUESTION,
            _ONE_TOKEN,
            on_text=lambda _: None,
            on_progress=lambda _: None,
            stop=asyncio.Event(),
        )
    except LlmtuiError as error:
        return (_failed(error),)
    problem = report.as_error()
    if problem is not None:
        return (_failed(problem),)
    metrics = report.metrics
    load = "" if metrics.load_s is None else f"loads in {metrics.load_s:.2f} s, "
    ttft = "answers" if metrics.total_s is None else f"answers in {metrics.total_s:.2f} s"
    return (Check(key=key, label=label, status="ok", value=f"{load}{ttft}", amount=metrics.load_s),)


def _failed(error: LlmtuiError) -> Check:
    value = ": ".join(filter(None, (error.title, error.cause)))
    return Check(key="demo", label="demo", status="fail", value=value, hint=error.remedy)

"""Several conversations in one worker: going back to one evaluates only what is new, and computes the same."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from odd_models import write_gemma3, write_mamba
from test_engine_contract import finish_of, play, request, text_of

from llmtui.domain.events import Timings
from llmtui.domain.messages import ChatMessage
from llmtui.domain.settings import Sampling
from llmtui.engines.base import GenerateRequest
from llmtui.engines.llama.client import LlamaEngine

LONG = "Tell me about the key that opens the model picker, and about all the other keys. "
CLOSED = "{% for m in messages %}{{ m.role + ':' + m.content + '<|end|>' }}{% endfor %}{{ 'assistant:' }}"
OPEN_ENDED = "{% for m in messages %}{{ m.role + ':' + m.content + '\n' }}{% endfor %}{{ 'assistant:' }}"

READABLE = Sampling(temperature=0, max_tokens=16, grammar='root ::= (" w" [0-9]+){40}')
"""A random model writes bytes that are no text; of this it makes words, in tokens that its tokeniser never makes."""
PLAIN = Sampling(temperature=0, max_tokens=16)


class Chat:
    """A conversation with a worker."""

    def __init__(self, engine: LlamaEngine, subject: str) -> None:
        self.engine = engine
        self.subject = subject
        self.messages: list[ChatMessage] = []
        self.answers: list[str] = []

    async def ask(self, text: str, sampling: Sampling | None = None) -> Timings:
        self.messages.append(ChatMessage("user", f"{self.subject} {text}"))
        return await self.answer(sampling)

    async def answer(self, sampling: Sampling | None = None) -> Timings:
        sampling = sampling or (
            PLAIN if self.engine.loaded and self.engine.loaded.architecture == "llama" else READABLE
        )
        events = await play(self.engine, request("turn", sampling, *self.messages))
        self.answers.append(text_of(events))
        self.messages.append(ChatMessage("assistant", self.answers[-1]))
        return finish_of(events).timings

    async def ask_again(self) -> Timings:
        del self.messages[-1]
        return await self.answer()


MODELS: dict[str, Callable[[Path], Path]] = {
    "attention": lambda path: Path(__file__).parents[2] / "tui" / "llmtui" / "data" / "demo.gguf",
    "window": lambda path: write_gemma3(path, 64, template=CLOSED),
    "recurrent": lambda path: write_mamba(path, template=CLOSED),
}


@pytest.fixture(params=MODELS)
def model(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return MODELS[request.param](tmp_path / "model.gguf")


async def test_going_back_to_a_conversation_evaluates_only_what_is_new(open_worker, model: Path) -> None:
    async with open_worker(model, context=1024) as engine:
        first, other = Chat(engine, LONG), Chat(engine, f"Something else: {LONG}")
        before = await first.ask("one?")
        await other.ask("two?")
        there = await other.ask("three?")
        back = await first.ask("four?")
        again = await other.ask("five?")
    # What the slot held when it was given up is all there is; the new question and the head of the answer are new.
    assert back.cached_tokens == before.context_used
    assert again.cached_tokens == there.context_used
    assert back.prompt_tokens - back.cached_tokens < 120


async def test_a_conversation_that_was_fetched_goes_on_as_if_it_had_stayed(open_worker, model: Path) -> None:
    async with open_worker(model, context=1024) as engine:
        alone = Chat(engine, LONG)
        for question in ("one?", "two?", "three?"):
            await alone.ask(question)
    async with open_worker(model, context=1024) as engine:
        first, other = Chat(engine, LONG), Chat(engine, f"Something else: {LONG}")
        fetched = 0
        for question in ("one?", "two?", "three?"):
            fetched = (await first.ask(question)).cached_tokens
            await other.ask(question)
    assert fetched
    assert first.answers == alone.answers


async def test_a_recurrent_model_answers_again_from_the_state_before_the_question(open_worker, tmp_path: Path) -> None:
    path = write_mamba(tmp_path / "m.gguf", template=CLOSED)
    async with open_worker(path, context=1024) as engine:
        chat = Chat(engine, LONG)
        before = await chat.ask("one?")
        await chat.ask("two?")
        again = await chat.ask_again()
    assert again.cached_tokens == before.context_used
    assert chat.answers[1] == chat.answers[2]


async def test_counting_a_draft_and_short_questions_cost_no_conversation(open_worker, demo: Path) -> None:
    async with open_worker(demo) as engine:
        chat = Chat(engine, LONG)
        before = await chat.ask("one?")
        await engine.count_prompt((*chat.messages, ChatMessage("user", "a draft")))
        await play(engine, GenerateRequest(id="raw", prompt="hi", sampling=Sampling(max_tokens=1)))
        assert (await chat.ask("two?")).cached_tokens == before.context_used


@pytest.mark.parametrize(("template", "reused"), [(CLOSED, True), (OPEN_ENDED, False)])
async def test_the_tokens_of_an_answer_are_taken_where_a_special_token_closes_it(
    open_worker, tmp_path: Path, template: str, *, reused: bool
) -> None:
    path = write_mamba(tmp_path / "m.gguf", template=template)
    async with open_worker(path, context=1024) as engine:
        chat = Chat(engine, LONG)
        first = await chat.ask("one?")
        written = len(await engine.tokenise(chat.answers[0]))
        draft = (*chat.messages, ChatMessage("user", "two?"))
        counted = await engine.count_prompt(draft)
        chat.messages = list(draft)
        second = await chat.answer()
    assert written > 16  # tokenised anew, the answer takes more tokens
    assert second.prompt_tokens == counted
    assert (second.cached_tokens == first.context_used) is reused


async def test_conversations_change_places_while_another_slot_is_in_use(open_worker, demo: Path) -> None:
    async def asked(chat: Chat, slot: int, text: str) -> str:
        chat.messages.append(ChatMessage("user", f"{chat.subject} {text}"))
        turn = GenerateRequest(id=f"{slot}", messages=tuple(chat.messages), sampling=PLAIN, slot=slot)
        answer = text_of(await play(engine, turn))
        chat.messages.append(ChatMessage("assistant", answer))
        return answer

    answers = []
    for others in (False, True):
        async with open_worker(demo, context=256, slots=2) as engine:
            first, second, third = Chat(engine, LONG), Chat(engine, f"Poems. {LONG}"), Chat(engine, f"Riddles. {LONG}")
            told = []
            for question in ("one?", "two?", "three?"):
                told.append(await asked(first, 0, question))
                if others:
                    await asyncio.gather(asked(second, 0, question), asked(third, 1, question))
            answers.append(told)
    assert answers[0] == answers[1]

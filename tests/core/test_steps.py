"""How steps are taken: immediately, awaited, or in a thread."""

import asyncio
import threading
from collections.abc import Generator
from typing import Any

import pytest

from holdall import StoreError
from holdall.steps import Step, asked, run, run_async


class Echo(Step):
    """A step that asks a target to repeat a word."""

    __slots__ = ("word",)

    def __init__(self, target: Any, word: str) -> None:
        self.target = target
        self.word = word

    def take(self) -> Any:
        return self.target.say(self.word)


class Sync:
    def say(self, word: str) -> str:
        return word.upper()


class Async:
    async def say(self, word: str) -> str:
        await asyncio.sleep(0)
        return word.upper()


class Blocking:
    blocking_writes = True

    def say(self, word: str) -> str:
        assert threading.current_thread() is not threading.main_thread()
        return word.upper()


class Failing:
    def say(self, word: str) -> str:
        msg = "no answer"
        raise StoreError(msg)


class AsyncFailing:
    async def say(self, word: str) -> str:
        msg = "no answer"
        raise StoreError(msg)


def conversation(target: Any) -> Generator[Step, Any, list[Any]]:
    answers = []
    for word in ("one", "two"):
        answer = yield Echo(target, word)
        answers.append(answer)
    return answers


def test_sync_steps_are_taken_immediately() -> None:
    assert run(conversation(Sync())) == ["ONE", "TWO"]


@pytest.mark.parametrize("target", [Sync(), Async(), Blocking()])
def test_async_steps_are_awaited_and_blocking_ones_run_in_a_thread(target: Any) -> None:
    assert asyncio.run(run_async(conversation(target))) == ["ONE", "TWO"]


def patient(target: Any) -> Generator[Step, Any, str]:
    try:
        yield from conversation(target)
    except StoreError:
        return "went on"
    return "was answered"


def test_a_failure_is_raised_where_the_step_was_yielded() -> None:
    assert run(patient(Failing())) == "went on"
    assert asyncio.run(run_async(patient(AsyncFailing()))) == "went on"


@pytest.mark.parametrize("is_async", [False, True])
def test_a_failure_shows_no_local_variables_of_the_calls_it_ended(is_async: bool) -> None:
    target = AsyncFailing() if is_async else Failing()
    with pytest.raises(StoreError) as caught:
        asyncio.run(run_async(conversation(target))) if is_async else run(conversation(target))

    traceback, seen = caught.value.__traceback__, []
    while traceback is not None:
        seen.append((traceback.tb_frame.f_code.co_name, dict(traceback.tb_frame.f_locals)))
        traceback = traceback.tb_next
    assert ("conversation", {}) in seen
    assert not any("one" in repr(variables) for name, variables in seen if name in ("conversation", "say", "take"))


def test_an_answer_that_is_not_a_generator_is_used_directly() -> None:
    def plain() -> Generator[Any, Any, Any]:
        return (yield from asked("at once"))

    def stepped() -> Generator[Any, Any, Any]:
        return (yield from asked(conversation(Sync())))

    assert run(plain()) == "at once"
    assert run(stepped()) == ["ONE", "TWO"]


def test_a_steps_repr_hides_its_arguments() -> None:
    assert repr(Echo(Sync(), "secret")) == "<Echo>"

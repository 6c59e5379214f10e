"""The asynchronous client."""

import asyncio

import openai
import pytest
from conftest import ENDLESS, LONG, MODEL, user

OPTIONS = {"model": MODEL, "messages": user("Hello"), "max_tokens": 24, "seed": 2}


def test_whole_answers_and_streams(server, client):
    async def talk():
        async with server.async_client() as asynchronous:
            whole = await asynchronous.chat.completions.create(**OPTIONS)
            pieces = []
            async for chunk in await asynchronous.chat.completions.create(stream=True, **OPTIONS):
                pieces.append(chunk.choices[0].delta.content or "")
            models = [model.id async for model in asynchronous.models.list()]
        return whole.choices[0].message.content, "".join(pieces), models

    whole, streamed, models = asyncio.run(talk())
    assert whole == streamed == client.chat.completions.create(**OPTIONS).choices[0].message.content
    assert MODEL in models


def test_many_at_once_are_all_answered(server):
    async def talk(asynchronous, index):
        answer = await asynchronous.chat.completions.create(
            model=MODEL, messages=user("x" * index), max_tokens=16, extra_body={"ignore_eos": True}
        )
        return answer.usage

    async def all_talk():
        async with server.async_client() as asynchronous:
            return await asyncio.gather(*(talk(asynchronous, index) for index in range(24)))

    usages = asyncio.run(all_talk())
    assert [usage.completion_tokens for usage in usages] == [16] * 24
    # Each got its own prompt's answer.
    prompts = [usage.prompt_tokens for usage in usages]
    assert prompts == sorted(prompts) and len(set(prompts)) > 8


def test_errors_have_their_classes(server):
    async def talk():
        async with server.async_client() as asynchronous:
            await asynchronous.chat.completions.create(**{**OPTIONS, "model": "nobody"})

    with pytest.raises(openai.NotFoundError) as caught:
        asyncio.run(talk())
    assert caught.value.code == "model_not_found"


def test_a_cancelled_task_frees_its_slot(server):
    async def talk():
        async with server.async_client() as asynchronous:
            request = asynchronous.chat.completions.create(model=LONG, messages=user("Hello"), **ENDLESS)
            task = asyncio.create_task(request)
            await asyncio.to_thread(server.await_status, LONG, running=1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        server.await_status(LONG, running=0)

    asyncio.run(talk())

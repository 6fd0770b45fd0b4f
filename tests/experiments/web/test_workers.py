"""Threads that answer, and the places of their queue."""

import asyncio
import threading

import pytest

from experiments.web.workers import Full, Workers


@pytest.fixture
def workers():
    workers = Workers(threads=1, waiting=2)
    yield workers
    workers.close()


def test_one_more_than_there_are_places_is_refused_and_a_place_comes_back(workers):
    go_on = threading.Event()

    async def crowd():
        tasks = [asyncio.create_task(workers.run(go_on.wait)) for _ in range(3)]
        await asyncio.sleep(0)  # each has taken its place
        with pytest.raises(Full, match="2 requests wait already"):
            await workers.run(go_on.wait)
        go_on.set()
        assert await asyncio.gather(*tasks) == [True] * 3
        return await workers.run(lambda: "again")

    assert asyncio.run(crowd()) == "again"


def test_an_asker_who_leaves_keeps_his_place_until_the_work_has_ended(workers):
    go_on = threading.Event()

    async def leave():
        tasks = [asyncio.create_task(workers.run(go_on.wait)) for _ in range(3)]
        await asyncio.sleep(0.05)  # the first has begun
        tasks[0].cancel()
        await asyncio.sleep(0)
        with pytest.raises(Full):
            await workers.run(go_on.wait)
        go_on.set()
        return await asyncio.gather(*tasks[1:])

    assert asyncio.run(leave()) == [True, True]


def test_an_error_reaches_the_asker_and_frees_the_place(workers):
    async def fail():
        for _ in range(10):
            with pytest.raises(ZeroDivisionError):
                await workers.run(lambda: 1 / 0)

    asyncio.run(fail())

"""A slow Kafka makes records wait, not memory grow."""

import asyncio
from typing import Any

from streams.held import Held


def test_sending_waits_while_too_much_is_on_its_way() -> None:
    async def scenario() -> None:
        held = Held(shard=_nothing(), writer=_nothing(), save_due=0.0, saved_offset=0)
        first, second = asyncio.Future[object](), asyncio.Future[object]()
        held.sent(first, 600)
        await held.room(1_000)
        held.sent(second, 600)
        waiting = asyncio.ensure_future(held.room(1_000))
        await asyncio.sleep(0)
        assert not waiting.done()
        first.set_result(None)
        await waiting
        assert list(held.in_flight.values()) == [600]
        second.set_result(None)
        await asyncio.sleep(0)
        assert not held.in_flight

    asyncio.run(scenario())


def _nothing() -> Any:
    return None


def test_a_save_waits_until_it_costs_no_more_than_what_came_in_but_not_for_ever() -> None:
    held = Held(shard=_nothing(), writer=_nothing(), save_due=100.0, saved_offset=0, saved_bytes=5_000)
    assert not held.is_save_due(101.0, 30.0)
    assert held.is_save_due(371.0, 30.0)
    held.taken_bytes = 5_000
    assert held.is_save_due(101.0, 30.0)
    assert not held.is_save_due(99.0, 30.0)

"""Meters that publish to an AMQP broker: persistent messages, confirmed one by one (RabbitMQ's publisher confirms)."""

import asyncio
import logging
from typing import Any

import pika
from pika.adapters.asyncio_connection import AsyncioConnection
from pika.exceptions import AMQPError

from flexmeter.fleet.direct_uplink import NO_ANSWER, TAKEN, Answer
from flexmeter.fleet.messages import Message

log = logging.getLogger(__name__)

_AGAIN_S = 1.0


class AmqpClient:
    """One connection for all meters of one process, to `amqp://user:password@host[:port]/vhost`."""

    def __init__(self, url: str, exchange: str) -> None:
        self._parameters = pika.URLParameters(url)
        self._exchange = exchange
        self._channel: Any = None
        self._confirmed: dict[int, asyncio.Future[bool]] = {}
        self._published = 0
        self._returned: set[int] = set()
        self._opening = asyncio.Lock()

    async def open(self) -> None:
        """Connect, as often as it takes."""
        while not await self._is_open():
            await asyncio.sleep(_AGAIN_S)

    async def send(self, message: Message, number: int) -> Answer:
        """See Client. A message that no queue wants comes back, and is sent again: its bridge is not there yet."""
        if not await self._is_open():
            return NO_ANSWER
        tag = self._published + 1
        properties = pika.BasicProperties(delivery_mode=2, user_id=message.sender or None, message_id=str(tag))
        try:
            self._channel.basic_publish(self._exchange, message.topic, message.payload, properties, mandatory=True)
        except AMQPError as error:
            log.info("no answer for %s: %s", message.topic, error)
            return NO_ANSWER
        self._published = tag
        confirmed = self._confirmed[tag] = asyncio.get_running_loop().create_future()
        return TAKEN if await confirmed else NO_ANSWER

    async def close(self) -> None:
        """See Client."""
        if self._channel is not None and self._channel.is_open:
            self._channel.connection.close()

    async def _is_open(self) -> bool:
        """Whether there is a channel; opens one if not."""
        async with self._opening:
            if self._channel is None or not self._channel.is_open:
                self._channel = await self._opened()
            return self._channel is not None

    async def _opened(self) -> Any:
        """A new channel that confirms; None where the broker does not answer."""
        loop = asyncio.get_running_loop()
        opened: asyncio.Future[Any] = loop.create_future()

        def on_channel(channel: Any) -> None:
            channel.add_on_return_callback(self._on_return)
            channel.confirm_delivery(self._on_confirm, callback=lambda _frame: opened.set_result(channel))

        AsyncioConnection(
            self._parameters,
            on_open_callback=lambda connection: connection.channel(on_open_callback=on_channel),
            on_open_error_callback=lambda _connection, error: self._on_lost(opened, error),
            on_close_callback=lambda _connection, error: self._on_lost(opened, error),
            custom_ioloop=loop,
        )
        self._published = 0
        self._returned.clear()
        return await opened

    def _on_lost(self, opened: "asyncio.Future[Any]", error: object) -> None:
        """The connection is gone or was never there, and with it what was not confirmed."""
        log.info("no connection to %s:%d: %s", self._parameters.host, self._parameters.port, error)
        if not opened.done():
            opened.set_result(None)
        for tag in list(self._confirmed):
            self._settle(tag, False)

    def _on_return(self, _channel: object, _method: object, properties: Any, _body: bytes) -> None:
        """Its confirm comes next, and says only that the broker has dealt with it."""
        log.info("no queue wants a message of %s", properties.user_id)
        self._returned.add(int(properties.message_id))

    def _on_confirm(self, frame: Any) -> None:
        tag, is_ack = frame.method.delivery_tag, isinstance(frame.method, pika.spec.Basic.Ack)
        tags = [one for one in self._confirmed if one <= tag] if frame.method.multiple else [tag]
        for one in tags:
            self._settle(one, is_ack and one not in self._returned)
            self._returned.discard(one)

    def _settle(self, tag: int, is_taken: bool) -> None:
        confirmed = self._confirmed.pop(tag, None)
        if confirmed is not None and not confirmed.done():
            confirmed.set_result(is_taken)

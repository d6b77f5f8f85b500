"""CoAP as a source (RFC 7252): devices POST or PUT to paths such as `meters/{profile}/{meter}/reading`.

A confirmable request is answered when Kafka has its payload: on the acknowledgement where that takes less than a
second, else in a separate response (5.2.2). What was not answered is sent again by the device, and is the same reading
once more. Nothing is ever sent again for a non-confirmable request: it is answered likewise, in a datagram that may be
lost as the request may. Which code says what: coap_codes.py; bodies in blocks: coap_blocks.py; DTLS: coap_transport.py.

What is under way is bounded, in number and bytes. Beyond that, and while Kafka has not taken the oldest of it for ten
seconds (`answer_within_s`), requests are answered at once with 5.03 and a time to come again, and so are those that
have waited so long; Kafka may have these all the same, later. Events are taken first, have an eighth more room, and are
not refused for want of Kafka: who gasps for the last time cannot come again.

aiocoap's event loop runs in its caller's thread, as long as `receive` waits.
"""

import asyncio
import logging
import math
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from aiocoap import Code, Message
from aiocoap.numbers.optionnumbers import OptionNumber
from aiocoap.numbers.types import NON
from aiocoap.resource import PathCapable, Resource
from prometheus_client import Counter as Counted

from connectors.coap_blocks import Bodies, Crowded, Incomplete
from connectors.coap_codes import DECODERS, answer, bad_option, busy, failure
from connectors.coap_keys import PreSharedKeys
from connectors.coap_transport import Server, open_context
from connectors.decode.readings import Address, Carries
from connectors.decode.trust import LARGEST_PAYLOAD_BYTES
from connectors.options import bridge_faults, unknown_options
from connectors.rate_limit import rate_limit
from connectors.source import Delivery
from connectors.topic_template import LONGEST_ADDRESS, TopicTemplate, address_of, templates_of
from schemas.errors import Rejected, Unavailable
from schemas.topology import Bridge

log = logging.getLogger("connectors.coap")

MOST_UNDER_WAY = 4_096
MOST_BYTES_UNDER_WAY = 64_000_000
MOST_UNDER_WAY_OF_ONE = 512
"""Of one authenticated sender."""
MOST_BYTES_IN_BLOCKS = 32_000_000
MOST_BYTES_IN_BLOCKS_OF_ONE = 4_000_000
"""Of one sender, or, where nothing authenticates any, of one address."""

_KNOWN_PATHS = 131_072
"""Paths whose meaning is remembered: there is one for each meter."""
_ROOM_FOR_EVENTS = 1.125
_AWAY_RETRY_S = 30
_BUSY_RETRY_S = 5
_GATHER_S = 0.02
_LAST_WORDS_S = 0.1
_BLOCK_OPTIONS = (OptionNumber.BLOCK1, OptionNumber.BLOCK2)
_UNDERSTOOD = frozenset(
    {
        OptionNumber.URI_HOST,
        OptionNumber.URI_PORT,
        OptionNumber.URI_PATH,
        OptionNumber.URI_QUERY,
        OptionNumber.ACCEPT,
        OptionNumber.BLOCK1,
        OptionNumber.BLOCK2,
    }
)
_OPTIONS = ("psk_file", "answer_within_s")
_PORTS = {"coap": 5683, "coaps": 5684}

ANSWERS = Counted(
    "flexmeter_coap_answers",
    "Responses by code and by the request's type; what NON was not answered with 2.04 is lost",
    ["bridge", "code", "type"],
)


@dataclass(slots=True, eq=False, kw_only=True)
class CoapDelivery(Delivery):
    """A body, when it came, how long it is, and where its response goes."""

    came_at: float
    length: int
    response: "asyncio.Future[Message]" = field(repr=False)


@dataclass(frozen=True, slots=True)
class CoapAddress:
    """Where we listen.

    >>> CoapAddress.parse("coaps://192.0.2.7")
    CoapAddress(host='192.0.2.7', port=5684, secured=True)
    """

    host: str
    port: int
    secured: bool

    @classmethod
    def parse(cls, url: str) -> "CoapAddress":
        """Take apart `coap://` or `coaps://host[:port]`; ValueError says what is wrong with it."""
        parts = urlsplit(url)
        if parts.scheme not in _PORTS or not parts.hostname:
            raise ValueError(f"{url!r} is no coap://host or coaps://host")
        return cls(parts.hostname, parts.port or _PORTS[parts.scheme], parts.scheme == "coaps")


class CoapSource:
    """Listens as the bridge's url says. Instances of one bridge on one machine share its port."""

    def __init__(self, bridge: Bridge, instance: str = "") -> None:
        self._bridge = bridge
        self._shares_port = bool(instance)
        self._address, self._templates, self._patience_s = _parsed(bridge)
        self._keys = PreSharedKeys(Path(bridge.options["psk_file"])) if self._address.secured else None
        self._loop: asyncio.AbstractEventLoop
        self._server: Server | None = None
        self._inbox = Inbox(self)
        self._known_address = lru_cache(_KNOWN_PATHS)(self._new_address)
        self._counted = lru_cache(lambda code, non: ANSWERS.labels(bridge.name, code.dotted, "NON" if non else "CON"))
        self._limit = rate_limit(bridge)
        self._bodies = Bodies(LARGEST_PAYLOAD_BYTES, MOST_BYTES_IN_BLOCKS, MOST_BYTES_IN_BLOCKS_OF_ONE)
        self._arrived: list[CoapDelivery] = []
        self._under_way: OrderedDict[CoapDelivery, None] = OrderedDict()
        self._bytes_under_way = 0
        self._under_way_of: Counter[str] = Counter()
        self._unanswered: deque[CoapDelivery] = deque()
        self._bug: Exception | None = None
        self._stop_at: asyncio.TimerHandle | None = None

    def receive(self, timeout_s: float, at_most: int) -> Sequence[CoapDelivery]:
        """See Source."""
        if self._server is None:
            self._server = self._open()
        self._lose_patience()
        self._work(0 if self._arrived and at_most else timeout_s)
        self._arrived.sort(key=lambda delivery: delivery.address.carries is not Carries.EVENT)
        given, self._arrived = self._arrived[:at_most], self._arrived[at_most:]
        return given

    def acknowledge(self, delivery: Delivery) -> None:
        """See Source."""
        assert isinstance(delivery, CoapDelivery)
        del self._under_way[delivery]
        self._bytes_under_way -= delivery.length
        self._under_way_of[delivery.identity] -= 1
        if not self._under_way_of[delivery.identity]:
            del self._under_way_of[delivery.identity]
        _respond(delivery, answer(delivery.rejected))

    def close(self) -> None:
        """See Source. Who still waits is told to come again."""
        if self._server is not None:
            for delivery in self._under_way:
                _respond(delivery, busy(_BUSY_RETRY_S, "restarting"))
            self._work(_LAST_WORDS_S)
            self._loop.run_until_complete(self._server.shutdown())
            self._server = None
            self._loop.close()

    async def take(self, request: Message) -> Message:
        """The response to one request, or to one block of a request."""
        try:
            response = await self._response(request)
        except Exception as error:  # a bug of ours: aiocoap would answer 5.00 and go on
            self._bug = error
            self._loop.stop()
            raise
        if request.opt.block1 is not None:
            response.opt.block1 = request.opt.block1
        if response.code is not Code.CONTINUE:
            self._counted(response.code, request.mtype is NON).inc()
        return response

    async def _response(self, request: Message) -> Message:
        unknown = next((one.number for one in request.opt.option_list() if _is_unknown(one.number)), None)
        if unknown is not None:
            return bad_option(unknown, request.mtype is NON)
        if request.code not in (Code.POST, Code.PUT):
            return failure(Code.METHOD_NOT_ALLOWED, "POST or PUT what was measured")
        address = self._address_of(request.opt.uri_path)
        if address is None:
            return failure(Code.NOT_FOUND, f"paths here are {', '.join(self._bridge.subscribe)}")
        decoder = DECODERS.get(request.opt.content_format)
        if decoder is None:
            return failure(Code.UNSUPPORTED_CONTENT_FORMAT, "send JSON, SenML, or a telegram as octet-stream")
        urgent = address.carries is Carries.EVENT
        refusal = self._refusal(request.remote.identity, urgent) or (None if urgent else self._too_fast(request))
        if refusal is not None:
            return refusal
        try:
            body = self._body(request)
        except Incomplete:
            return failure(Code.REQUEST_ENTITY_INCOMPLETE, "begin again with block 0")
        except Crowded:
            return busy(_BUSY_RETRY_S, "too many bodies of yours are unfinished; begin this one again")
        except Rejected as rejected:
            return answer(rejected)
        if body is None:
            return Message(code=Code.CONTINUE)
        return await self._deliver(body, address, request.remote.identity, decoder)

    def _address_of(self, path: Sequence[str]) -> Address | None:
        return self._known_address(path) if sum(map(len, path)) + len(path) <= LONGEST_ADDRESS else None

    def _new_address(self, path: Sequence[str]) -> Address | None:
        if any("/" in segment for segment in path):
            return None
        address = address_of("/".join(path), self._templates)
        return address if address.profile else None

    def _body(self, request: Message) -> bytes | None:
        """The whole body; None while blocks are missing. Raises Incomplete, Crowded, Rejected."""
        block = request.opt.block1
        if block is None:
            return bytes(request.payload)
        key = (request.remote.blockwise_key, request.code, request.get_cache_key(_BLOCK_OPTIONS))
        return self._bodies.take(request.remote.sender, key, block.start, request.payload, block.more, time.monotonic())

    def _refusal(self, identity: str, urgent: bool) -> Message | None:
        away = self._under_way and time.monotonic() - next(iter(self._under_way)).came_at > self._patience_s
        if away and not urgent:
            return busy(_AWAY_RETRY_S, "what came before is not stored yet")
        room = _ROOM_FOR_EVENTS if urgent else 1.0
        if len(self._under_way) >= room * MOST_UNDER_WAY or self._bytes_under_way >= room * MOST_BYTES_UNDER_WAY:
            return busy(_BUSY_RETRY_S, "too much at once")
        if identity and self._under_way_of[identity] >= MOST_UNDER_WAY_OF_ONE:
            return busy(_BUSY_RETRY_S, "too much at once from you", Code.TOO_MANY_REQUESTS)
        return None

    def _too_fast(self, request: Message) -> Message | None:
        """A payload counts with its first block."""
        if self._limit is None or (request.opt.block1 is not None and request.opt.block1.block_number):
            return None
        wait_s = self._limit.wait_s(request.remote.sender, time.monotonic())
        return busy(math.ceil(wait_s), "more than you may bring", Code.TOO_MANY_REQUESTS) if wait_s else None

    async def _deliver(self, body: bytes, address: Address, identity: str, decoder: str) -> Message:
        delivery = CoapDelivery(
            payload=body,
            address=address,
            identity=identity,
            decoder=decoder,
            came_at=time.monotonic(),
            length=len(body),
            response=self._loop.create_future(),
        )
        self._arrived.append(delivery)
        self._under_way[delivery] = None
        self._bytes_under_way += len(body)
        self._under_way_of[identity] += 1
        self._unanswered.append(delivery)
        if len(self._arrived) == 1:
            self._stop_after(_GATHER_S)
        return await delivery.response

    def _lose_patience(self) -> None:
        """Tell those who have waited too long to come again."""
        too_old = time.monotonic() - self._patience_s
        while self._unanswered and (self._unanswered[0].response.done() or self._unanswered[0].came_at < too_old):
            _respond(self._unanswered.popleft(), busy(_AWAY_RETRY_S, "not stored yet"))

    def _open(self) -> Server:
        """Raises Unavailable."""
        place = f"{self._address.host}:{self._address.port}"
        self._loop = asyncio.new_event_loop()
        try:
            server = self._loop.run_until_complete(
                open_context(
                    self._inbox,
                    self._bridge.name,
                    self._address.host,
                    self._address.port,
                    self._keys,
                    self._shares_port,
                )
            )
        except OSError as error:
            self._loop.close()
            raise Unavailable(f"coap at {place}", f"cannot listen: {error}") from error
        log.info("listening at %s%s", place, ", DTLS" if self._keys else "")
        return server

    def _work(self, timeout_s: float) -> None:
        """Let aiocoap work for so long, or until something has come, and a moment more for what comes with it."""
        self._stop_after(timeout_s)
        self._loop.run_forever()
        if self._bug is not None:
            raise self._bug

    def _stop_after(self, timeout_s: float) -> None:
        if self._stop_at is not None:
            self._stop_at.cancel()
        self._stop_at = self._loop.call_later(timeout_s, self._loop.stop)


class Inbox(Resource, PathCapable):
    """Everything that is asked of the server."""

    def __init__(self, source: CoapSource) -> None:
        super().__init__()
        self._source = source

    async def needs_blockwise_assembly(self, request: Message) -> bool:
        """Never: aiocoap would put together bodies of any length."""
        return False

    async def render(self, request: Message) -> Message:
        """See Resource."""
        response = await self._source.take(request)
        if response.opt.no_response is None:
            response.opt.no_response = request.opt.no_response
        return response


def _parsed(bridge: Bridge) -> tuple[CoapAddress, Sequence[TopicTemplate], float]:
    """Address, paths, patience in s; raises Faults."""
    found = unknown_options(bridge, _OPTIONS)
    secured, templates, patience_s = bridge.url.startswith("coaps:"), [], 0.0
    address = CoapAddress("", 0, secured)
    try:
        address = CoapAddress.parse(bridge.url)
        templates = templates_of(bridge)
        patience_s = float(bridge.options.get("answer_within_s") or 10)
    except ValueError as error:
        found.append((str(error), "write paths as meters/{profile}/{meter}/reading, the url as coaps://host:port"))
    if secured != bool(bridge.options.get("psk_file")):
        what = "coaps:// needs the option psk_file" if secured else "coap:// has no use for the option psk_file"
        found.append((what, "see docs/coap.md"))
    if secured and find_spec("DTLSSocket") is None:
        found.append(("coaps:// needs the Python package DTLSSocket", "install flexmeter[coap]; see docs/coap.md"))
    if found:
        raise bridge_faults(bridge, found)
    return address, templates, patience_s


def _is_unknown(number: OptionNumber) -> bool:
    """Whether a request with this option must not be taken as if it had none (RFC 7252, 5.4.1)."""
    return number.is_critical() and number not in _UNDERSTOOD


def _respond(delivery: CoapDelivery, response: Message) -> None:
    """The first answer counts; the request may also have been given up."""
    if not delivery.response.done():
        delivery.response.set_result(response)

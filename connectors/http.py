"""HTTPS as a source: hubs and concentrators POST what they have; 202 when Kafka has it.

aiohttp's server, its event loop run in its caller's thread, as long as `receive` waits. What it admits is bounded
(request_queue.py); what has no answer from Kafka in time is answered 503, and may well arrive all the same: a repeat is
the same reading.
"""

import asyncio
import logging
import resource
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson
import uvloop
from aiohttp import HttpVersion11, web
from prometheus_client import Counter

from connectors.decode.readings import Address, Carries
from connectors.http_answer import Answer, busy, outcome, problem
from connectors.http_content import CONTENTS, Content
from connectors.http_openapi import openapi
from connectors.idempotency import LONGEST_KEY, Answers
from connectors.options import bridge_fault, check_options
from connectors.rate_limit import rate_limit
from connectors.request_queue import Full, Request, RequestDelivery, RequestQueue
from connectors.server_tls import OPTIONS, ServerTls, common_name
from connectors.source import Delivery
from connectors.tokens import identity_of, load_tokens
from connectors.topic_template import LONGEST_ADDRESS, TopicTemplate, address_of, templates_of
from connectors.watched import Watched
from schemas.errors import Rejected, Unavailable
from schemas.topology import Bridge

LARGEST_BODY_BYTES = 4 << 20
MOST_CONNECTIONS = 8_192
"""At once; fewer where the process may not have so many files open (`ulimit -n`)."""

_OPTIONS = (*OPTIONS, "tokens_file", "answer_within_s")
_READ_S = 30.0
_IDLE_S = 75.0
"""How long a connection may be without a whole head of a request: longer than most proxies keep an idle one."""
_FILES_BESIDES = 128
"""What a bridge has open besides its connections: Kafka's sockets, files that are read again."""
_CLOSE_S = 5.0
_GATHER_S = 0.02
_LAST_WORDS_S = 0.1
_PORTS = {"http": 80, "https": 443}

log = logging.getLogger("connectors.http")

ANSWERS = Counter("flexmeter_http_answers", "Requests answered", ["bridge", "status"])


class HttpSource:
    """One server. `instance` says nothing here: a load balancer shares requests among several."""

    def __init__(self, bridge: Bridge, instance: str = "") -> None:
        check_options(bridge, _OPTIONS)
        try:
            parts = urlsplit(bridge.url)
            self._place = (parts.hostname or "127.0.0.1", _PORTS[parts.scheme] if parts.port is None else parts.port)
            templates = templates_of(bridge)
            self._patience_s = float(bridge.options.get("answer_within_s") or 10)
        except ValueError as error:
            raise bridge_fault(bridge, error, "write https://host:port and paths as v1/{profile}/reading") from error
        tokens_file = bridge.options.get("tokens_file")
        self._tokens = Watched(Path(tokens_file), load_tokens) if tokens_file else None
        self._tls = ServerTls(bridge.options, self._tokens is None) if parts.scheme == "https" else None
        self._queue = RequestQueue()
        self._desk = Desk(bridge, templates, self._queue, self._tokens, self._something_came)
        self._loop: asyncio.AbstractEventLoop
        self._server: web.ServerRunner | None = None
        self._stop_at: asyncio.TimerHandle | None = None

    def receive(self, timeout_s: float, at_most: int) -> Sequence[RequestDelivery]:
        """See Source."""
        if self._server is None:
            self._server = self._open()
        for file in (self._tokens, self._tls):
            if file is not None:
                file.refresh(time.monotonic())
        self._queue.lose_patience(time.monotonic() - self._patience_s)
        self._work(0 if at_most and self._queue.has_arrived else timeout_s)
        return self._queue.receive(at_most)

    def acknowledge(self, delivery: Delivery) -> None:
        """See Source."""
        assert isinstance(delivery, RequestDelivery)
        self._queue.acknowledge(delivery)

    def close(self) -> None:
        """See Source. Whoever still waits is told to come again."""
        if self._server is not None:
            self._queue.abandon()
            self._work(_LAST_WORDS_S)
            self._loop.run_until_complete(self._leave(self._server))
            self._server = None
            self._loop.close()

    def _open(self) -> web.ServerRunner:
        """Raises Unavailable."""
        self._loop = uvloop.new_event_loop()
        try:
            server = self._loop.run_until_complete(self._listening())
        except OSError as error:
            self._loop.close()
            raise Unavailable("http at {}:{}".format(*self._place), str(error)) from error
        log.info("listening at %s:%d", *self._place)
        return server

    async def _listening(self) -> web.ServerRunner:
        """aiohttp's server without its router and middlewares, which take a fifth of the time of a request."""

        quiet = logging.getLogger("connectors.http.aiohttp")
        quiet.setLevel(logging.CRITICAL)  # it tells of every request that it cannot read, in twenty lines
        server = BoundedServer(
            self._desk.handle, request_factory=self._request, access_log=None, logger=quiet, keepalive_timeout=_IDLE_S
        )
        runner = web.ServerRunner(server, shutdown_timeout=_CLOSE_S / 2)
        await runner.setup()
        context = self._tls.context if self._tls else None
        try:
            await web.TCPSite(runner, *self._place, ssl_context=context, backlog=1_024).start()
        except OSError:
            await runner.cleanup()
            raise
        return runner

    def _request(self, message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> web.BaseRequest:
        most = LARGEST_BODY_BYTES
        return web.BaseRequest(message, payload, protocol, writer, task, self._loop, client_max_size=most)

    async def _leave(self, server: web.ServerRunner) -> None:
        """Close all connections; those whose other side does not take part in it are dropped."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_S):
                await server.cleanup()

    def _work(self, timeout_s: float) -> None:
        """Let the server work for so long, or until something has come, and a moment more for what comes with it."""
        self._stop_after(timeout_s)
        self._loop.run_forever()
        if self._desk.bug is not None:
            raise self._desk.bug

    def _something_came(self) -> None:
        self._stop_after(0 if self._desk.bug else _GATHER_S)

    def _stop_after(self, timeout_s: float) -> None:
        if self._stop_at is not None:
            self._stop_at.cancel()
        self._stop_at = self._loop.call_later(timeout_s, self._loop.stop)


class BoundedServer(web.Server):
    """Closes a connection at once that is one too many: who has one already goes on."""

    def connection_made(self, handler: web.RequestHandler, transport: asyncio.Transport) -> None:
        """See Server."""
        super().connection_made(handler, transport)
        if len(self._connections) > min(
            MOST_CONNECTIONS, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - _FILES_BESIDES
        ):
            transport.abort()


class Desk:
    """Takes requests and answers them. `something_came` is called when there is something to receive, or a bug."""

    def __init__(
        self,
        bridge: Bridge,
        templates: Sequence[TopicTemplate],
        queue: RequestQueue,
        tokens: Watched[Mapping[str, str]] | None,
        something_came: Callable[[], None],
    ) -> None:
        self.bug: Exception | None = None
        self._anonymous = bridge.anonymous
        self._limit = rate_limit(bridge)
        self._templates = templates
        self._queue = queue
        self._tokens = tokens
        self._something_came = something_came
        self._answers = Answers()
        self._openapi = orjson.dumps(openapi(templates))
        self._counted = lru_cache(lambda status: ANSWERS.labels(bridge.name, str(status)))

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        try:
            answer = await self._answer(request)
        except Exception as error:  # a bug of ours: aiohttp would answer 500 and go on
            self.bug = error
            self._something_came()
            raise
        self._counted(answer.status.value).inc()
        return web.Response(status=answer.status.value, body=answer.body, headers=answer.headers)

    async def _answer(self, request: web.BaseRequest) -> Answer:
        """What can be said before the body is read is said before."""
        path = request.path.lstrip("/")
        if path == "openapi.json" and request.method in ("GET", "HEAD"):
            return Answer(HTTPStatus.OK, self._openapi, {"Content-Type": "application/json"})
        if len(path) > LONGEST_ADDRESS:
            return problem(HTTPStatus.REQUEST_URI_TOO_LONG, f"a path has at most {LONGEST_ADDRESS} characters")
        address = address_of(path, self._templates)
        if not address.profile:
            return problem(HTTPStatus.NOT_FOUND, "no such path; /openapi.json has those there are")
        if request.method != "POST":
            return problem(HTTPStatus.METHOD_NOT_ALLOWED, "POST readings here", {"Allow": "POST"})
        identity = self._identity(request)
        if identity is None:
            return problem(HTTPStatus.UNAUTHORIZED, "a token or certificate is needed", {"WWW-Authenticate": "Bearer"})
        media_type = _media_type(request)
        content = CONTENTS.get(media_type)
        if content is None:
            return problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, ascii(media_type), {"Accept": ", ".join(CONTENTS)})
        if len(request.headers.get("Idempotency-Key", "")) > LONGEST_KEY:
            return problem(
                HTTPStatus.BAD_REQUEST, f"the idempotency key is longer than {LONGEST_KEY}; the body was not read"
            )
        size = LARGEST_BODY_BYTES if request.headers.get("Content-Encoding") else request.content_length
        if size is not None and size > LARGEST_BODY_BYTES:
            return problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"{size} bytes; at most {LARGEST_BODY_BYTES} are read")
        urgent = address.carries is Carries.EVENT
        if (wait_s := self._wait_s(identity or _peer(request), urgent)) > 0:
            return busy(HTTPStatus.TOO_MANY_REQUESTS, "more than this sender may bring", wait_s)
        try:
            room = self._queue.admit(
                identity,
                LARGEST_BODY_BYTES if size is None else size,
                asyncio.get_running_loop().create_future(),
                urgent,
            )
        except Full as full:
            status = HTTPStatus.TOO_MANY_REQUESTS if full.by_sender else HTTPStatus.SERVICE_UNAVAILABLE
            return busy(status, str(full))
        return await self._read(request, room, content, address)

    def _wait_s(self, sender: str, urgent: bool) -> float:
        """How long until it may bring the next payload; 0 = this is one."""
        return 0.0 if self._limit is None or urgent else self._limit.wait_s(sender, time.monotonic())

    def _identity(self, request: web.BaseRequest) -> str | None:
        """Who sends: by its token, else by its certificate; "" = nobody, where that may be; None = nobody may."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme:
            known = self._tokens.value if self._tokens is not None and scheme.lower() == "bearer" else {}
            return identity_of(token.strip(), known) or None
        certificate = request.transport.get_extra_info("peercert") if request.transport else None
        return common_name(certificate) or ("" if self._anonymous else None)

    async def _read(self, request: web.BaseRequest, room: Request, content: Content, address: Address) -> Answer:
        """Read the body; the room is released here unless Kafka is to have what came."""
        try:
            body = await _body(request)
        except TimeoutError:
            self._queue.release(room)
            return problem(HTTPStatus.REQUEST_TIMEOUT, f"the body was not there within {_READ_S:.0f} s")
        except web.HTTPRequestEntityTooLarge:
            self._queue.release(room)
            return problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"at most {LARGEST_BODY_BYTES} bytes are read")
        except (
            Exception
        ) as error:  # whatever aiohttp has for chunks and encodings that are none, and senders that are gone
            self._queue.release(room)
            return problem(
                HTTPStatus.BAD_REQUEST, f"the body cannot be read, nothing of it is kept: {type(error).__name__}"
            )
        except BaseException:  # we go
            self._queue.release(room)
            raise
        self._queue.shrink(room, len(body))
        sender, key = room.identity or _peer(request), request.headers.get("Idempotency-Key")
        if key is None:
            return await self._take(_deliveries(body, room, content, address), sender)
        whose = (sender, request.path, key)
        try:
            answer = self._answers.begin(whose, body, time.monotonic())
        except Rejected as rejected:
            return await self._take([_rejected(body, room, content, address, rejected)], sender)
        if answer is not None:
            self._queue.release(room)
            return answer
        answer = await self._take(_deliveries(body, room, content, address), sender)
        self._answers.end(whose, answer)
        return answer

    async def _take(self, deliveries: Sequence[RequestDelivery], sender: str) -> Answer:
        room = deliveries[0].request
        if self._limit is not None and deliveries[0].address.carries is Carries.READING:
            self._limit.take(sender, len(deliveries) - 1, time.monotonic())  # the request has counted as one
        if not self._queue.has_arrived:
            self._something_came()
        self._queue.submit(room, deliveries, time.monotonic())
        if await room.done:
            return outcome(deliveries)
        return busy(HTTPStatus.SERVICE_UNAVAILABLE, "not yet stored; send it again: a repeat counts once")


async def _body(request: web.BaseRequest) -> bytes:
    """The whole body. Raises TimeoutError, and what aiohttp has for bodies that are too large, broken or cut off."""
    if request.content.is_eof():  # it came with the head: nothing to wait for
        return await request.read()
    async with asyncio.timeout(_READ_S):
        if request.version == HttpVersion11 and request.headers.get("Expect", "").lower() == "100-continue":
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            request.writer.output_size = 0  # nothing of the answer itself is out
        return await request.read()


def _media_type(request: web.BaseRequest) -> str:
    """Without its parameters, which say nothing here: aiohttp's own reading of them ends in errors for some."""
    text = request.headers.get("Content-Type") or "application/octet-stream"
    return text.partition(";")[0].strip().lower()


def _deliveries(body: bytes, room: Request, content: Content, address: Address) -> list[RequestDelivery]:
    """Each payload of the body; the body itself, rejected, where it cannot be taken apart."""
    try:
        payloads = content.payloads(body)
    except Rejected as rejected:
        return [_rejected(body, room, content, address, rejected)]
    return [RequestDelivery(payload, address, room.identity, content.decoder, request=room) for payload in payloads]


def _rejected(body: bytes, room: Request, content: Content, address: Address, rejected: Rejected) -> RequestDelivery:
    return RequestDelivery(body, address, room.identity, content.decoder, rejected=rejected, request=room)


def _peer(request: web.BaseRequest) -> str:
    """Where a request comes from whose sender nothing authenticates."""
    return f"at {request.remote}"

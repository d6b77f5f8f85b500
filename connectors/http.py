"""HTTPS as a source: hubs and concentrators POST what they have; 202 when Kafka has it.

The server is an asyncio loop in a thread of its own (aiohttp). What it admits is bounded (request_queue.py); what has
no answer from Kafka in time is answered 503, and may well arrive all the same: a repeat is the same reading.
"""

import asyncio
import concurrent.futures
import logging
import threading
import time
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit

import orjson
import uvloop
from aiohttp import web
from prometheus_client import Counter

from connectors.decode.readings import Address
from connectors.http_answer import Answer, busy, outcome, problem
from connectors.http_content import CONTENTS, Content
from connectors.http_openapi import openapi
from connectors.idempotency import LONGEST_KEY, Answers
from connectors.options import bridge_fault, check_options
from connectors.request_queue import Full, Request, RequestDelivery, RequestQueue
from connectors.server_tls import OPTIONS, ServerTls, common_name
from connectors.source import Delivery
from connectors.tokens import identity_of, load_tokens
from connectors.topic_template import TopicTemplate, address_of
from connectors.watched import Watched
from schemas.errors import Rejected, Unavailable
from schemas.topology import Bridge

LARGEST_BODY_BYTES = 4 << 20

_OPTIONS = (*OPTIONS, "tokens_file", "answer_within_s")
_START_S = 10.0
_READ_S = 30.0
_CLOSE_S = 5.0
_PORTS = {"http": 80, "https": 443}

log = logging.getLogger("connectors.http")

ANSWERS = Counter("flexmeter_http_answers", "Requests answered", ["bridge", "status"])


class HttpSource:
    """One server. `instance` says nothing here: a load balancer shares requests among several."""

    def __init__(self, bridge: Bridge, instance: str = "") -> None:
        check_options(bridge, _OPTIONS)
        self._bridge = bridge
        try:
            parts = urlsplit(bridge.url)
            self._place = (parts.hostname or "127.0.0.1", _PORTS[parts.scheme] if parts.port is None else parts.port)
            templates = [TopicTemplate.parse(text.strip("/")) for text in bridge.subscribe]
            patience_s = float(bridge.options.get("answer_within_s") or 10)
        except ValueError as error:
            raise bridge_fault(bridge, error, "write https://host:port and paths as v1/{profile}/reading") from error
        tokens_file = bridge.options.get("tokens_file")
        self._tokens = Watched(Path(tokens_file), load_tokens) if tokens_file else None
        self._tls = ServerTls(bridge.options, self._tokens is None) if parts.scheme == "https" else None
        self._queue = RequestQueue()
        self._desk = Desk(bridge, templates, self._queue, self._tokens, patience_s)
        self._server: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop
        self._stop: asyncio.Event

    def receive(self, timeout_s: float, at_most: int) -> Sequence[RequestDelivery]:
        """See Source."""
        if self._server is None:
            self._start()
        for file in (self._tokens, self._tls):
            if file is not None:
                file.refresh(time.monotonic())
        return self._queue.receive(timeout_s, at_most)

    def acknowledge(self, delivery: Delivery) -> None:
        """See Source."""
        assert isinstance(delivery, RequestDelivery)
        self._queue.acknowledge(delivery)

    def close(self) -> None:
        """See Source. Whoever still waits is told to come again."""
        if self._server is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
            self._server.join(2 * _CLOSE_S)

    def _start(self) -> None:
        started: concurrent.futures.Future[None] = concurrent.futures.Future()
        server = threading.Thread(target=lambda: uvloop.run(self._serve(started)), name=self._bridge.name, daemon=True)
        server.start()
        try:
            started.result(_START_S)
        except (OSError, TimeoutError) as error:
            raise Unavailable("http at {}:{}".format(*self._place), str(error)) from error
        self._server = server
        log.info("listening at %s:%d", *self._place)

    async def _serve(self, started: "concurrent.futures.Future[None]") -> None:
        application = web.Application(client_max_size=LARGEST_BODY_BYTES)
        application.router.add_route("*", "/{path:.*}", self._desk.handle)
        runner = web.AppRunner(application, access_log=None, handle_signals=False, shutdown_timeout=_CLOSE_S)
        await runner.setup()
        context = self._tls.context if self._tls else None
        try:
            await web.TCPSite(runner, *self._place, ssl_context=context, backlog=1_024).start()
        except OSError as error:
            await runner.cleanup()
            started.set_exception(error)
            return
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        started.set_result(None)
        await self._stop.wait()
        self._queue.abandon()
        await runner.cleanup()


class Desk:
    """Takes requests and answers them, in the server's thread."""

    def __init__(
        self,
        bridge: Bridge,
        templates: Sequence[TopicTemplate],
        queue: RequestQueue,
        tokens: Watched[Mapping[str, str]] | None,
        patience_s: float,
    ) -> None:
        self._name = bridge.name
        self._anonymous = bridge.anonymous
        self._templates = templates
        self._queue = queue
        self._tokens = tokens
        self._patience_s = patience_s
        self._answers = Answers()
        self._openapi = orjson.dumps(openapi(templates))

    async def handle(self, request: web.Request) -> web.Response:
        """Answer one request."""
        answer = await self._answer(request)
        ANSWERS.labels(self._name, str(answer.status.value)).inc()
        return web.Response(status=answer.status, body=answer.body, headers=dict(answer.headers))

    async def _answer(self, request: web.Request) -> Answer:
        """What can be said before the body is read is said before."""
        path = request.path.lstrip("/")
        if path == "openapi.json" and request.method in ("GET", "HEAD"):
            return Answer(HTTPStatus.OK, self._openapi, {"Content-Type": "application/json"})
        address = address_of(path, self._templates)
        if not address.profile:
            return problem(HTTPStatus.NOT_FOUND, "no such path; /openapi.json has those there are")
        if request.method != "POST":
            return problem(HTTPStatus.METHOD_NOT_ALLOWED, "POST readings here", {"Allow": "POST"})
        identity = self._identity(request)
        if identity is None:
            return problem(HTTPStatus.UNAUTHORIZED, "a token or certificate is needed", {"WWW-Authenticate": "Bearer"})
        content = CONTENTS.get(request.content_type)
        if content is None:
            return problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, request.content_type, {"Accept": ", ".join(CONTENTS)})
        if len(request.headers.get("Idempotency-Key", "")) > LONGEST_KEY:
            return problem(HTTPStatus.BAD_REQUEST, f"the idempotency key is longer than {LONGEST_KEY}")
        size = LARGEST_BODY_BYTES if request.headers.get("Content-Encoding") else request.content_length
        if size is not None and size > LARGEST_BODY_BYTES:
            return problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"{size} bytes; at most {LARGEST_BODY_BYTES} are read")
        try:
            room = self._queue.admit(identity, LARGEST_BODY_BYTES if size is None else size)
        except Full as full:
            status = HTTPStatus.TOO_MANY_REQUESTS if full.by_sender else HTTPStatus.SERVICE_UNAVAILABLE
            return busy(status, str(full))
        return await self._read(request, room, content, address)

    def _identity(self, request: web.Request) -> str | None:
        """Who sends: by its token, else by its certificate; "" = nobody, where that may be; None = nobody may."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme:
            known = self._tokens.value if self._tokens is not None and scheme.lower() == "bearer" else {}
            return identity_of(token.strip(), known) or None
        certificate = request.transport.get_extra_info("peercert") if request.transport else None
        return common_name(certificate) or ("" if self._anonymous else None)

    async def _read(self, request: web.Request, room: Request, content: Content, address: Address) -> Answer:
        """Read the body; the room is released here unless Kafka is to have what came."""
        try:
            async with asyncio.timeout(_READ_S):
                body = await request.read()
        except TimeoutError:
            self._queue.release(room)
            return problem(HTTPStatus.REQUEST_TIMEOUT, f"the body was not there within {_READ_S:.0f} s")
        except web.HTTPRequestEntityTooLarge:
            self._queue.release(room)
            return problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"at most {LARGEST_BODY_BYTES} bytes are read")
        except BaseException:  # the sender is gone, or we go
            self._queue.release(room)
            raise
        key = request.headers.get("Idempotency-Key")
        if key is None:
            return await self._take(body, room, content, address)
        whose = (room.identity, f"{request.path} {key}")
        answer = self._answers.begin(whose, body, time.monotonic())
        if answer is not None:
            self._queue.release(room)
            return answer
        answer = await self._take(body, room, content, address)
        self._answers.end(whose, answer)
        return answer

    async def _take(self, body: bytes, room: Request, content: Content, address: Address) -> Answer:
        deliveries = _deliveries(body, room, content, address)
        self._queue.submit(room, deliveries)
        await asyncio.wait({room.done}, timeout=self._patience_s)
        if room.done.done() and not room.done.cancelled():
            return outcome(deliveries)
        return busy(HTTPStatus.SERVICE_UNAVAILABLE, "not yet stored; send it again: a repeat counts once")


def _deliveries(body: bytes, room: Request, content: Content, address: Address) -> list[RequestDelivery]:
    """Each payload of the body; the body itself, rejected, where it cannot be taken apart."""
    try:
        payloads = content.payloads(body)
    except Rejected as rejected:
        return [RequestDelivery(body, address, room.identity, content.decoder, rejected=rejected, request=room)]
    return [RequestDelivery(payload, address, room.identity, content.decoder, request=room) for payload in payloads]

"""Receivers of alerts as real servers: SMTP (aiosmtpd) and HTTP (aiohttp), each in a thread of its own."""

import asyncio
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

from aiohttp import web
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword, Session

from flexmeter.local.ports import HOST

USER, PASSWORD = "flex:meter", "s3cret/@"


@dataclass
class Mailbox:
    """What a mail server took; `answers` says what it answers to an address or to DATA instead of 250."""

    mails: list[EmailMessage] = field(default_factory=list)
    recipients: list[list[str]] = field(default_factory=list)
    answers: dict[str, str] = field(default_factory=dict)

    async def handle_RCPT(self, _server: object, _session: Session, envelope: Envelope, to: str, _o: object) -> str:
        answer = self.answers.get(to, "250 OK")
        if answer.startswith("250"):
            envelope.rcpt_tos.append(to)
        return answer

    async def handle_DATA(self, _server: object, _session: Session, envelope: Envelope) -> str:
        if "DATA" in self.answers:
            return self.answers["DATA"]
        assert isinstance(envelope.content, bytes)
        mail = message_from_bytes(envelope.content, _class=EmailMessage, policy=default)
        self.mails.append(mail)
        self.recipients.append(list(envelope.rcpt_tos))
        return "250 taken"


def _authenticate(_server: object, _session: object, _envelope: object, _mechanism: str, data: Any) -> AuthResult:
    good = isinstance(data, LoginPassword) and (data.login, data.password) == (USER.encode(), PASSWORD.encode())
    return AuthResult(success=good, handled=False)


@contextmanager
def mail_server(
    mailbox: Mailbox, port: int, tls: ssl.SSLContext | None = None, wrapped: bool = False
) -> Iterator[None]:
    """A mail server on loopback; with TLS it demands STARTTLS (or, wrapped, is TLS from the beginning), and a login."""
    guarded: dict[str, Any] = {"auth_required": True, "authenticator": _authenticate, "auth_require_tls": not wrapped}
    settings: dict[str, Any] = {} if tls is None else guarded
    settings |= {"ssl_context": tls} if wrapped else {"tls_context": tls, "require_starttls": tls is not None}
    controller = Controller(mailbox, HOST, port, **settings)
    controller.start()
    try:
        yield
    finally:
        controller.stop()


@dataclass(frozen=True, slots=True)
class Request:
    """One that came: its headers, by small letters, and its body."""

    headers: Mapping[str, str]
    body: bytes


@dataclass
class Hook:
    """What a web server was sent; `answer` says with which status it answers."""

    answer: Callable[[Request], int] = lambda _request: 204
    requests: list[Request] = field(default_factory=list)
    taken: list[Request] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)

    async def handle(self, request: web.Request) -> web.Response:
        came = Request({name.lower(): value for name, value in request.headers.items()}, await request.read())
        self.requests.append(came)
        status = self.answer(came)
        if status < 300:
            self.taken.append(came)
        return web.Response(status=status, text="" if status == 204 else f"said {status}", headers=self.headers)


@contextmanager
def web_server(hook: Hook, port: int, tls: ssl.SSLContext | None = None) -> Iterator[None]:
    """A web server on loopback that takes POST /alerts."""
    loop, up, down = asyncio.new_event_loop(), threading.Event(), asyncio.Event()

    async def serve() -> None:
        app = web.Application()
        app.router.add_post("/alerts", hook.handle)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, HOST, port, ssl_context=tls).start()
        up.set()
        await down.wait()
        await runner.cleanup()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    assert up.wait(30)
    try:
        yield
    finally:
        loop.call_soon_threadsafe(down.set)
        thread.join(30)
        loop.close()

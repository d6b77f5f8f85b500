"""Alerts by e-mail: SMTP with TLS, over smtplib.

    smtps://user:password@host       TLS from the beginning, port 465
    smtp://user:password@host        STARTTLS, port 587; without it only where the option tls says "off"

Options: `from`, `to` (addresses separated by spaces), `tls`, `ca_file`.
"""

import smtplib
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from urllib.parse import unquote, urlsplit

from connectors.router.mail_text import compose
from connectors.router.receiver import Deferred
from connectors.router.settings import tls_context, unknown_options, url_faults
from schemas.alert import Alert
from schemas.errors import Reason, Rejected, Unavailable
from schemas.topology_model import Router

PORTS = {"smtp": 587, "smtps": 465}
OPTIONS = ("from", "to", "tls", "ca_file")
OFF = "off"

Refusals = Mapping[str, tuple[int, bytes]]


@dataclass(frozen=True, slots=True)
class Progress:
    """A mail that some addresses have, some not yet, and some never will."""

    left: Sequence[str]
    refused: Sequence[str]


class Mail:
    """One connection a mail: they are rare."""

    most_at_once = 5_000

    def __init__(self, router: Router) -> None:
        self._url, self._timeout_s = urlsplit(router.url), router.timeout_s
        self._sender, self._to = router.options["from"], router.options["to"].split()
        self._encrypted = router.options.get("tls", "") != OFF
        self._tls = tls_context(router)
        self._own_name = socket.getfqdn()  # smtplib would ask for it with each mail
        self._under_way: dict[str, Progress] = {}

    def deliver(self, alerts: Sequence[Alert]) -> Sequence[str]:
        """Send one mail to all addresses. Those that were asked to come back later are asked again alone.

        A digest is made anew for them, of what waits by then: the others get it once more.
        """
        mail = compose(alerts, self._sender, self._to, datetime.now(UTC))
        name = mail["Message-ID"]
        progress = self._under_way.get(name, Progress(self._to, []))
        try:
            refusals = self._send(mail, progress.left)
        except Rejected:
            self._under_way.pop(name, None)
            raise
        later = [address for address, (code, _) in refusals.items() if code < 500]
        refused = [f"{one}: {_said(*refusals[one])}" for one in refusals if one not in later]
        progress = Progress(later, [*progress.refused, *refused])
        if later:
            if len(alerts) == 1:
                self._under_way[name] = progress
            raise Deferred(self._url.hostname or "", f"{later[0]}: {_said(*refusals[later[0]])}")
        self._under_way.pop(name, None)
        if len(progress.refused) == len(self._to):
            raise Rejected(Reason.UNDELIVERED, "; ".join(progress.refused))
        return progress.refused

    def close(self) -> None:
        """It holds nothing."""

    def _send(self, mail: EmailMessage, to: Sequence[str]) -> Refusals:
        """Hand the mail over; the addresses that were refused."""
        where = self._url.hostname or ""
        try:
            client = self._connect()
        except (OSError, smtplib.SMTPException) as error:
            raise Unavailable(where, _described(error)) from error
        try:
            return client.send_message(mail, self._sender, to)
        except smtplib.SMTPRecipientsRefused as refused:
            return refused.recipients
        except (smtplib.SMTPDataError, smtplib.SMTPSenderRefused) as error:
            if error.smtp_code < 500:
                raise Deferred(where, _described(error)) from error
            raise Rejected(Reason.UNDELIVERED, _described(error)) from error
        except (OSError, smtplib.SMTPException) as error:
            raise Unavailable(where, _described(error)) from error
        finally:
            with suppress(OSError, smtplib.SMTPException):
                client.quit()
            client.close()

    def _connect(self) -> smtplib.SMTP:
        host, port = self._url.hostname or "", self._url.port or PORTS[self._url.scheme]
        if self._url.scheme == "smtps":
            return self._greeted(
                smtplib.SMTP_SSL(host, port, self._own_name, timeout=self._timeout_s, context=self._tls)
            )
        return self._greeted(smtplib.SMTP(host, port, self._own_name, timeout=self._timeout_s))

    def _greeted(self, client: smtplib.SMTP) -> smtplib.SMTP:
        """The connection, encrypted and logged in."""
        try:
            if self._encrypted and self._url.scheme == "smtp":
                client.starttls(context=self._tls)
            if self._url.username:
                client.login(unquote(self._url.username), unquote(self._url.password or ""))
        except BaseException:
            client.close()
            raise
        return client


def faults(router: Router) -> Iterator[tuple[str, str, str]]:
    """What is wrong with a router that mails: url or option, message, remedy."""
    yield from url_faults(router)
    yield from unknown_options(router, OPTIONS)
    for option in ("from", "to"):
        addresses = router.options.get(option, "").split()
        if not addresses or (option == "from" and len(addresses) > 1):
            yield option, f"{len(addresses)} addresses", f"write {'one address' if option == 'from' else 'some'}"
        for address in addresses:
            name, _, domain = address.rpartition("@")
            if not (name and domain and address.isascii()):
                yield option, f"{address!r} is no address", "write name@domain"
    tls = router.options.get("tls", "")
    if tls not in ("", OFF):
        yield "tls", f"{tls!r} is no word for it", 'write "off" for a server without TLS, or leave it out'
    if tls == OFF and urlsplit(router.url).username:
        yield "tls", "a password would travel in the clear", "leave tls out, or the user"
    if tls == OFF and router.url.startswith("smtps://"):
        yield "tls", "smtps:// is TLS", "leave tls out, or write smtp://"


def _said(code: int, text: bytes) -> str:
    return f"{code} {text.decode(errors='replace')}"


def _described(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        text = error.smtp_error
        return _said(error.smtp_code, text if isinstance(text, bytes) else text.encode())
    return f"{type(error).__name__}: {error}"

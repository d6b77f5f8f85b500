"""Alerts by HTTP POST: the JSON of the topic, with CloudEvents headers, signed as Standard Webhooks say.

    webhook-id         the CloudEvent's id, alert id and number: a repeat has the same one
    webhook-timestamp  seconds UTC of this attempt
    webhook-signature  v1,BASE64(HMAC-SHA256(secret, id.timestamp.body)), one for each secret

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md; CloudEvents HTTP protocol
binding 1.0.2, 3.1 (binary mode). Options: `secret` (whsec_ and base64; several, separated by spaces, while they
change), `ca_file`. Redirects are not followed: whoever moves tells us the new URL.
"""

import asyncio
import base64
import binascii
import hashlib
import hmac
import string
import time
from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import quote, urlsplit

import aiohttp

from connectors.router.receiver import Deferred
from connectors.router.settings import tls_context, unknown_options, url_faults
from schemas.alert import Alert, encode_alert
from schemas.errors import Reason, Rejected, Unavailable
from schemas.topology_model import Router

OPTIONS = ("secret", "ca_file")
_PREFIX = "whsec_"
_KEY_BYTES = range(24, 65)

# What is about this alert, and will be said again: it is no use trying. All else may be mended on either side.
_REFUSED = frozenset({400, 410, 413, 415, 422})
# The server, or what stands before it, is not there for anybody.
_AWAY = frozenset({408, 429, 502, 503, 504})
_VISIBLE = "".join(set(string.punctuation) - set('"%'))


class Webhook:
    """One request an alert, one after the other."""

    most_at_once = 1

    def __init__(self, router: Router) -> None:
        self._url = router.url
        self._host = urlsplit(router.url).hostname or ""
        self._secrets = [_key(secret) for secret in router.options.get("secret", "").split()]
        self._tls = tls_context(router)
        # For the whole exchange: a server that sends a byte now and then holds nobody up.
        self._timeout = aiohttp.ClientTimeout(total=router.timeout_s)
        self._runner = asyncio.Runner()

    def deliver(self, alerts: Sequence[Alert]) -> Sequence[str]:
        """POST each; any 2xx says that it has arrived."""
        for alert in alerts:
            body, headers = request(alert, self._secrets, int(time.time()))
            try:
                self._judge(*self._runner.run(self._post(body, headers)))
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                raise Unavailable(self._host, f"{type(error).__name__}: {error}") from error
        return []

    def close(self) -> None:
        """End the loop that requests run on."""
        self._runner.close()

    async def _post(self, body: bytes, headers: Mapping[str, str]) -> tuple[int, str]:
        connector = aiohttp.TCPConnector(ssl=self._tls)
        async with (
            aiohttp.ClientSession(connector=connector, timeout=self._timeout) as session,
            session.post(self._url, data=body, headers=headers, allow_redirects=False) as answer,
        ):
            said = b"" if answer.ok else await answer.content.read(500)
            return answer.status, said.decode(errors="replace")

    def _judge(self, status: int, said: str) -> None:
        if 200 <= status < 300:
            return
        detail = f"HTTP {status} {said}".rstrip()
        if status in _REFUSED:
            raise Rejected(Reason.UNDELIVERED, detail)
        raise (Unavailable if status in _AWAY else Deferred)(self._host, detail)


def request(alert: Alert, secrets: Sequence[bytes], now_s: int) -> tuple[bytes, dict[str, str]]:
    """Body and headers of the request at that time."""
    body, attributes = encode_alert(alert)
    headers = {name.replace("_", "-"): quote(value, safe=_VISIBLE) for name, value in attributes}
    headers |= {"webhook-id": headers["ce-id"], "webhook-timestamp": str(now_s)}
    signed = f"{headers['webhook-id']}.{now_s}.".encode() + body
    signatures = [hmac.digest(secret, signed, hashlib.sha256) for secret in secrets]
    if signatures:
        headers["webhook-signature"] = " ".join(f"v1,{base64.b64encode(one).decode()}" for one in signatures)
    return body, headers


def faults(router: Router) -> Iterator[tuple[str, str, str]]:
    """What is wrong with a router that posts: url or option, message, remedy. Nothing of a secret is told."""
    yield from url_faults(router)
    yield from unknown_options(router, OPTIONS)
    for secret in router.options.get("secret", "").split():
        if len(_key(secret)) not in _KEY_BYTES:
            remedy = f"write {_PREFIX} and the base64 of {_KEY_BYTES[0]} to {_KEY_BYTES[-1]} random bytes"
            yield "secret", "no secret of Standard Webhooks", remedy


def _key(secret: str) -> bytes:
    """The bytes; none where the text is no secret."""
    try:
        return base64.b64decode(secret.removeprefix(_PREFIX), validate=True) if secret.startswith(_PREFIX) else b""
    except binascii.Error:
        return b""

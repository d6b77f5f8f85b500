"""CoAP's datagrams, plain (RFC 7252, 3) or within DTLS (9.1), as a transport of aiocoap's.

aiocoap's own DTLS server keeps a tinydtls context and a task for every address that ever sent a datagram, and never
lets go of one. Here one context serves all, as tinydtls means it: a sender has state only after it has proved its
address (RFC 6347, 4.2.1), half-open handshakes and sessions are bounded, and of the latter those go first that were
silent longest, of an identity that has too many its own. The identity of a session is that whose key finished its
handshake.

No alert reaches tinydtls, for alerts can make it end the process: see coap_records.py. So a session that its device
closes does not end there and then, but is the first to go when another needs its room.

The only module that touches private parts of aiocoap: `Messages`, `Server`, `open_context`.
"""

import asyncio
import logging
import socket
import time
from collections import Counter, OrderedDict
from collections.abc import Hashable
from itertools import count
from typing import Any

from aiocoap import Context, Message
from aiocoap.error import UnparsableMessage
from aiocoap.interfaces import EndpointAddress, MessageInterface
from aiocoap.messagemanager import MessageManager
from aiocoap.numbers.constants import TransportTuning
from aiocoap.pipe import error_to_message, run_driving_pipe
from aiocoap.tokenmanager import TokenManager
from prometheus_client import Counter as Counted

from connectors.coap_keys import PreSharedKeys
from connectors.coap_records import CLEAR, HANDSHAKE, harmless

log = logging.getLogger("connectors.coap")

MOST_SESSIONS = 50_000
MOST_SESSIONS_OF_ONE = 64
"""Of one identity: a device has one, and leaves some behind where it loses its state or its address changes."""
MOST_HANDSHAKES = 1_000
MOST_REMEMBERED = 16_384
"""Messages whose repetition is answered as the first was; one of earlier messages is the same reading once more."""

_HANDSHAKE_S = 60.0
_RETRANSMIT_S = 1.0
_RECEIVE_BUFFER_BYTES = 4_000_000
_CONNECTED = (0, 0x01DE)
_SERVER_HELLO = 2
_MAPPED = "::ffff:"
_numbers = count()

Place = tuple[str, int]
"""Host and port; within DTLS the host as IPv6 writes it."""

UNREADABLE = Counted("flexmeter_coap_unreadable", "Datagrams that are no CoAP message", ["bridge"])
HANDSHAKES = Counted("flexmeter_coap_handshakes", "DTLS handshakes by outcome", ["bridge", "outcome"])


class Tuning(TransportTuning):
    """A response may take so long before an empty acknowledgement goes first: blocks linger, clients wait 2 s."""

    EMPTY_ACK_DELAY = 1.0


class Peer(EndpointAddress):
    """Who sent a datagram: an address, or a DTLS session, with the identity that it was authenticated for."""

    is_multicast = False
    is_multicast_locally = False

    def __init__(self, place: Place, identity: str = "", key: bytes = b"") -> None:
        self.place = place
        self.identity = identity
        self.key = key
        self.of: Hashable = next(_numbers) if key else place

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Peer) and self.of == other.of

    def __hash__(self) -> int:
        return hash(self.of)

    @property
    def scheme(self) -> str:
        """See EndpointAddress."""
        return "coaps" if self.key else "coap"

    @property
    def hostinfo(self) -> str:
        """See EndpointAddress."""
        return str(self.place)

    @property
    def hostinfo_local(self) -> str:
        """See EndpointAddress."""
        return ""

    @property
    def uri_base(self) -> str:
        """See EndpointAddress."""
        return f"{self.scheme}://{self.hostinfo}"

    uri_base_local = uri_base

    @property
    def sender(self) -> str:
        """Whose room and rate its requests take: an authenticated sender's, or those of an address."""
        return self.identity or f"at {self.place[0]}"

    @property
    def blockwise_key(self) -> Hashable:
        """See EndpointAddress."""
        return self.of


class Datagrams(asyncio.DatagramProtocol, MessageInterface):
    """One socket, plain CoAP."""

    def __init__(self, bridge: str, messages: MessageManager) -> None:
        self._bridge = bridge
        self._messages = messages
        self._tuning = Tuning()
        self._transport: asyncio.DatagramTransport

    def connection_made(self, transport: Any) -> None:
        """See DatagramProtocol."""
        self._transport = transport
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_BYTES)

    def datagram_received(self, data: bytes, place: Any) -> None:
        """See DatagramProtocol."""
        self._take(data, Peer(place))

    def error_received(self, error: Exception) -> None:
        """See DatagramProtocol. A sender that is gone (ICMP) sends again, or does not."""

    def send(self, message: Message) -> None:
        """See MessageInterface."""
        self._transport.sendto(message.encode(), message.remote.place)

    async def shutdown(self) -> None:
        """See MessageInterface."""
        self._transport.close()

    async def determine_remote(self, message: Message) -> None:
        """See MessageInterface: we never ask."""

    async def recognize_remote(self, remote: object) -> bool:
        """The same."""
        return False

    def _take(self, data: bytes, peer: Peer) -> None:
        try:
            message = Message.decode(data, remote=peer)
        except (UnparsableMessage, ValueError) as error:  # ValueError: text that is not UTF-8
            UNREADABLE.labels(self._bridge).inc()
            log.debug("no CoAP message: %s", error)
            return
        message.transport_tuning = self._tuning
        self._messages.dispatch_message(message)


class SecuredDatagrams(Datagrams):
    """One socket, CoAP within DTLS. tinydtls calls back while it works for `_place`."""

    def __init__(self, bridge: str, messages: MessageManager, keys: PreSharedKeys) -> None:
        from DTLSSocket import dtls

        super().__init__(bridge, messages)
        dtls.setLogLevel(dtls.DTLS_LOG_EMERG)
        self._new_session = dtls.Session
        self._keys = keys
        self._place: Place = ("", 0)
        self._handshakes: OrderedDict[Place, float] = OrderedDict()
        self._claims: dict[Place, tuple[bytes, bytes]] = {}
        self._sessions: OrderedDict[Place, Peer] = OrderedDict()
        self._sessions_of: Counter[str] = Counter()
        self._dtls = dtls.DTLS(
            read=self._on_plain, write=self._on_record, event=self._on_event, pskId=b"-", pskStore=self
        )
        self._retransmitting = asyncio.get_running_loop().call_later(_RETRANSMIT_S, self._retransmit)

    def datagram_received(self, data: bytes, place: Any) -> None:
        """See DatagramProtocol."""
        host, port = place[:2]
        self._place = (host if ":" in host else f"{_MAPPED}{host}", port)
        records = harmless(data)
        self._dtls.handleMessage(self._new_session(*self._place), records)
        if len(records) < len(data) and self._place in self._sessions:
            self._sessions.move_to_end(self._place, last=False)  # nothing proves whose alert it is: nothing ends yet
        while len(self._handshakes) > MOST_HANDSHAKES:
            self._abandon(next(iter(self._handshakes)))

    def send(self, message: Message) -> None:
        """See MessageInterface. What was asked in a session that is no more has no answer."""
        peer: Peer = message.remote
        if self._sessions.get(peer.place) is peer:
            self._dtls.write(self._new_session(*peer.place), message.encode())

    async def shutdown(self) -> None:
        """See MessageInterface."""
        self._retransmitting.cancel()
        for place in [*self._handshakes, *self._sessions]:  # what is left writes as it is freed, when nothing is there
            self._end(place)
        await super().shutdown()

    def keys(self) -> "SecuredDatagrams":
        """Keys as tinydtls asks for them: `identity in store.keys()`, then `store[identity]`."""
        return self

    def __contains__(self, identity: bytes) -> bool:
        key = self._keys.get(identity)
        if key is None:
            HANDSHAKES.labels(self._bridge, "unknown_identity").inc()
            log.warning("no key for the identity %r", identity)
            return False
        self._claims[self._place] = (identity, key)
        return True

    def __getitem__(self, identity: bytes) -> bytes:
        return self._claims[self._place][1]

    def _on_record(self, place: Place, record: bytes) -> int:
        if record[0] == HANDSHAKE and record[3:5] == CLEAR and record[13] == _SERVER_HELLO:
            self._forget(place)
            self._claims.pop(place, None)
            self._handshakes.setdefault(place, time.monotonic())
        host, port = place
        self._transport.sendto(record, (host.removeprefix(_MAPPED), port))
        return len(record)

    def _on_event(self, level: int, code: int) -> None:
        claim = self._claims.get(self._place)
        if (level, code) != _CONNECTED or claim is None:
            return
        HANDSHAKES.labels(self._bridge, "finished").inc()
        self._handshakes.pop(self._place, None)
        del self._claims[self._place]
        self._forget(self._place)
        peer = self._sessions[self._place] = Peer(self._place, claim[0].decode(), claim[1])
        self._sessions_of[peer.identity] += 1
        if self._sessions_of[peer.identity] > MOST_SESSIONS_OF_ONE:
            silent = next(place for place, other in self._sessions.items() if other.identity == peer.identity)
            asyncio.get_running_loop().call_soon(self._end, silent)
        elif len(self._sessions) > MOST_SESSIONS:
            asyncio.get_running_loop().call_soon(self._end, next(iter(self._sessions)))

    def _on_plain(self, place: Place, data: bytes) -> int:
        peer = self._sessions.get(place)
        if peer is not None:
            self._sessions.move_to_end(place)
            asyncio.get_running_loop().call_soon(self._take_of, peer, data)
        return len(data)

    def _take_of(self, peer: Peer, data: bytes) -> None:
        if self._keys.get(peer.identity.encode()) == peer.key:
            self._take(data, peer)
        elif self._sessions.get(peer.place) is peer:
            log.info("the key of %r is another now: its session ends", peer.identity)
            self._end(peer.place)

    def _retransmit(self) -> None:
        """Send again what is due, and let go of handshakes that nobody finishes."""
        self._retransmitting = asyncio.get_running_loop().call_later(_RETRANSMIT_S, self._retransmit)
        self._dtls.checkRetransmit()
        too_old = time.monotonic() - _HANDSHAKE_S
        while self._handshakes and next(iter(self._handshakes.values())) < too_old:
            self._abandon(next(iter(self._handshakes)))

    def _abandon(self, place: Place) -> None:
        del self._handshakes[place]
        claim = self._claims.pop(place, None)
        HANDSHAKES.labels(self._bridge, "wrong_key" if claim else "abandoned").inc()
        if claim:
            log.warning("a handshake of %r was not finished: is its key another?", claim[0])
        self._end(place)

    def _forget(self, place: Place) -> None:
        peer = self._sessions.pop(place, None)
        if peer is not None:
            self._sessions_of[peer.identity] -= 1
            if not self._sessions_of[peer.identity]:
                del self._sessions_of[peer.identity]

    def _end(self, place: Place) -> None:
        self._forget(place)
        self._dtls.resetPeer(self._new_session(*place))


class Messages(MessageManager):
    """aiocoap's message layer, which remembers for so many messages what it answered, not for so many seconds.

    Its own keeps a timer for each message of the last four minutes.
    """

    def _deduplicate_message(self, message: Message) -> bool:
        key = (message.remote, message.mid)
        if key in self._recent_messages:
            return bool(super()._deduplicate_message(message))
        self._recent_messages[key] = None
        if len(self._recent_messages) > MOST_REMEMBERED:
            del self._recent_messages[next(iter(self._recent_messages))]
        return False


class Server(Context):
    """aiocoap's server, without a name for each request: making that one takes as long as decoding it."""

    def render_to_pipe(self, pipe: Any) -> None:
        """See Context."""
        run_driving_pipe(error_to_message(pipe, self.log), self._render_to_pipe(pipe))


async def open_context(
    site: object, bridge: str, host: str, port: int, keys: PreSharedKeys | None, share_port: bool
) -> Server:
    """A server; with `keys` it speaks DTLS.

    Raises:
        OSError: we cannot listen there.

    """
    loop = asyncio.get_running_loop()
    server = Server(loop=loop, serversite=site, loggername="connectors.coap.aiocoap")
    server.log.setLevel(logging.ERROR)  # it tells of every datagram and request that it does not like
    tokens = TokenManager(server)
    messages = Messages(tokens)
    messages._recent_messages = OrderedDict()
    _, messages.message_interface = await loop.create_datagram_endpoint(
        lambda: SecuredDatagrams(bridge, messages, keys) if keys else Datagrams(bridge, messages),
        local_addr=(host, port),
        reuse_port=share_port,
    )
    tokens.token_interface = messages
    server.request_interfaces.append(tokens)
    return server

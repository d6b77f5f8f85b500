"""Many hubs that POST readings over connections that stay open, as fast as they are answered, without a library.

Each connection has one request under way and sends the next one when the answer is there (RFC 9112, 9.3).
"""

import select
import socket
from collections.abc import Iterator, Sequence

_AT_ONCE = 512
_HEAD_END = b"\r\n\r\n"
_LENGTH = b"content-length: "


def request(host: str, path: str, token: str, body: bytes) -> bytes:
    """A POST of JSON by whoever has that token.

    >>> request("127.0.0.1:80", "/v1/nilm_meter/L1/reading", "t", b"{}").partition(b"\\r\\n")[0]
    b'POST /v1/nilm_meter/L1/reading HTTP/1.1'
    """
    lines = (
        f"POST {path} HTTP/1.1",
        f"Host: {host}",
        f"Authorization: Bearer {token}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
    )
    return "\r\n".join((*lines, "\r\n")).encode() + body


def connected(host: str, port: int, connections: int) -> list[socket.socket]:
    """So many connections; a server that listens with a short queue may take seconds for it."""
    made = [socket.create_connection((host, port)) for _ in range(connections)]
    for one in made:
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made


def post_all(connections: Sequence[socket.socket], requests: Iterator[bytes]) -> None:
    """All of them; returns when each is answered 202. Any other answer is raised, as a RuntimeError."""
    open_ones = {one.fileno(): one for one in connections}
    poller = select.epoll()
    busy: dict[int, bytes] = {}
    for number, connection in open_ones.items():
        poller.register(number, select.EPOLLIN)
        _send_next(connection, requests, busy)
    while busy:
        for number, _ in poller.poll(maxevents=_AT_ONCE):
            piece = open_ones[number].recv(65_536)
            if not piece and number in busy:
                raise RuntimeError("the server closed a connection that had a request under way")
            if not piece:
                poller.unregister(number)
                continue
            busy[number] += piece
            if _is_whole(busy[number]):
                _check(busy.pop(number))
                _send_next(open_ones[number], requests, busy)
    poller.close()


def _send_next(connection: socket.socket, requests: Iterator[bytes], busy: dict[int, bytes]) -> None:
    following = next(requests, None)
    if following is not None:
        connection.sendall(following)
        busy[connection.fileno()] = b""


def _is_whole(answer: bytes) -> bool:
    head, end, body = answer.partition(_HEAD_END)
    length = head.lower().partition(_LENGTH)[2].partition(b"\r\n")[0]
    return bool(end) and len(body) >= int(length or 0)


def _check(answer: bytes) -> None:
    if not answer.startswith(b"HTTP/1.1 202 "):
        raise RuntimeError(answer.decode("utf-8", "replace"))

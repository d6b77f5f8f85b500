"""The HTTPS server as its clients see it; the test stands for the bridge and for Kafka."""

import gzip
import hashlib
import http.client
import os
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import jsonschema
import orjson
import pytest
from openapi_spec_validator import validate
from prometheus_client import REGISTRY

from connectors.http import LARGEST_BODY_BYTES, HttpSource
from connectors.http_openapi import openapi
from connectors.request_queue import MOST_REQUESTS_OF_ONE, RequestDelivery
from connectors.server_tls import ServerTls
from connectors.topic_template import TopicTemplate
from connectors.watched import AGAIN_S
from flexmeter.fleet.certificate import keep_certificate
from flexmeter.fleet.direct_uplink import DirectUplink
from flexmeter.fleet.http_client import HttpClient
from flexmeter.fleet.messages import READING as MESSAGE
from flexmeter.fleet.messages import Message
from flexmeter.fleet.trust import Trust, write_tokens
from flexmeter.fleet.turin import build_town
from flexmeter.local.ports import HOST, free_port
from schemas.errors import Reason, Rejected, Unavailable
from schemas.faults import Faults
from schemas.topology import Bridge
from tests.certificates import Authority

PATHS = ("v1/{profile}/reading", "v1/{profile}/{meter}/reading", "v1/{profile}/{meter}/event")
DOCUMENT = openapi([TopicTemplate.parse(path) for path in PATHS])
JSON = {"Content-Type": "application/json"}
READING = "/v1/nilm_meter/m1/reading"
EVENT = "/v1/nilm_meter/m1/event"


def bridge(url: str, anonymous: bool = True, **options: str) -> Bridge:
    return Bridge("http_test", "http", url, PATHS, "wmbus", "r", "e", "d", 500, options, anonymous)


@dataclass(slots=True)
class Answered:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def document(self) -> dict[str, object]:
        found: dict[str, object] = orjson.loads(self.body)
        return found


@dataclass(slots=True)
class Bench:
    """A server whose payloads Kafka has at once, unless told otherwise."""

    source: HttpSource
    port: int
    tls: ssl.SSLContext | None = None
    taken: list[RequestDelivery] = field(default_factory=list)
    holds: bool = False
    rejects: Rejected | None = None

    def work(self, stopping: threading.Event) -> None:
        waiting: list[RequestDelivery] = []
        while not stopping.is_set():
            received = self.source.receive(0.01, 100)
            self.taken += received
            waiting += received
            while waiting and not self.holds:
                delivery = waiting.pop(0)
                delivery.rejected = delivery.rejected or self.rejects
                self.source.acknowledge(delivery)

    def connect(self) -> http.client.HTTPConnection:
        if self.tls is not None:
            return http.client.HTTPSConnection(HOST, self.port, timeout=30, context=self.tls)
        return http.client.HTTPConnection(HOST, self.port, timeout=30)

    def ask(self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> Answered:
        """One request; what it is answered is as the OpenAPI document says."""
        connection = self.connect()
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            answered = Answered(response.status, dict(response.headers), response.read())
        finally:
            connection.close()
        if method == "POST" and answered.status != 404:
            check(path, answered)
        return answered

    def post(self, body: bytes, path: str = READING, **headers: str) -> Answered:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.ask("POST", path, body, {**JSON, **named})


def check(path: str, answered: Answered) -> None:
    """Status, content type and body are among those of the document, and Retry-After where it says so."""
    levels = path.strip("/").split("/")
    template = f"/v1/{{profile}}/{levels[-1]}" if len(levels) == 3 else f"/v1/{{profile}}/{{meter}}/{levels[-1]}"
    response = DOCUMENT["paths"][template]["post"]["responses"][str(answered.status)]
    ((content_type, content),) = response["content"].items()
    assert answered.headers["Content-Type"] == content_type
    schema = {"$ref": content["schema"]["$ref"], "components": DOCUMENT["components"]}
    jsonschema.Draft202012Validator(schema).validate(answered.document)
    for name in response.get("headers", {}):
        assert answered.headers[name].isdecimal()


@contextmanager
def serving(entry: Bridge, port: int, tls: ssl.SSLContext | None = None) -> Iterator[Bench]:
    bench = Bench(HttpSource(entry), port, tls)
    bench.source.receive(0, 0)
    stopping = threading.Event()
    worker = threading.Thread(target=bench.work, args=(stopping,))
    worker.start()
    try:
        yield bench
    finally:
        stopping.set()
        worker.join(30)
        bench.source.close()


@pytest.fixture
def bench() -> Iterator[Bench]:
    port = free_port()
    with serving(bridge(f"http://{HOST}:{port}", answer_within_s="0.3"), port) as bench:
        yield bench


def test_what_is_taken_is_accepted_with_its_address_and_decoder(bench: Bench) -> None:
    answered = bench.post(b'{"a":1}\n{"a":2}', Content_Type="application/x-ndjson")
    assert (answered.status, answered.document) == (202, {"accepted": 2})
    assert [delivery.payload for delivery in bench.taken] == [b'{"a":1}', b'{"a":2}']
    address = bench.taken[0].address
    assert (address.profile, address.meter, address.carries.value) == ("nilm_meter", "m1", "reading")
    assert {delivery.decoder for delivery in bench.taken} == {"json"}
    assert bench.ask("POST", "/v1/water/reading", b"\x2e\x44").status == 202
    assert (bench.taken[2].decoder, bench.taken[2].payload) == ("", b"\x2e\x44")


def test_what_cannot_be_taken_is_named(bench: Bench) -> None:
    bench.rejects = Rejected(Reason.UNKNOWN_METER, "meter 'm1' is not in the register")
    answered = bench.post(b"{}")
    assert answered.status == 422
    assert answered.document["rejected"] == [{"index": 0, "reason": "unknown_meter", "detail": bench.rejects.detail}]
    bench.rejects = None
    answered = bench.post(b"[1]", Content_Type="application/vnd.flexmeter.wmbus+json")
    assert answered.status == 400
    assert bench.taken[-1].payload == b"[1]", "the loop gets it for its dead letters"


def test_requests_that_are_none_of_ours(bench: Bench) -> None:
    assert bench.ask("POST", "/v2/nilm_meter/m1/reading", b"{}", JSON).status == 404
    assert bench.ask("GET", "/", None).status == 404
    refused = bench.ask("GET", READING)
    assert (refused.status, refused.headers["Allow"]) == (405, "POST")
    refused = bench.post(b"<x/>", Content_Type="text/xml")
    assert refused.status == 415
    assert "application/senml+cbor" in refused.headers["Accept"]
    assert bench.post(b"{}", Idempotency_Key="k" * 256).status == 400
    assert bench.post(b"{}", READING.replace("m1", "m" * 512)).status == 414
    assert bench.post(b"{}", Authorization="Bearer unknown").status == 401
    assert bench.post(b"{}", Authorization="Basic eDp5").status == 401
    assert bench.taken == []


def test_a_body_that_is_too_large_is_refused_before_or_while_it_is_read(bench: Bench) -> None:
    connection = bench.connect()
    connection.putrequest("POST", READING)
    connection.putheader("Content-Type", "application/json")
    connection.putheader("Content-Length", str(LARGEST_BODY_BYTES + 1))
    connection.endheaders()
    assert connection.getresponse().status == 413, "no byte of it was sent"
    connection.close()
    chunks = iter([b"x" * (LARGEST_BODY_BYTES // 2)] * 3)
    connection = bench.connect()
    connection.request("POST", READING, chunks, {**JSON, "Transfer-Encoding": "chunked"}, encode_chunked=True)
    assert connection.getresponse().status == 413
    connection.close()
    assert bench.post(b"{}").status == 202, "the room is free again"


HEAD = b"POST /v1/nilm_meter/m1/reading HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"\xff\xfe\x00\r\n\r\n", b"400"),
        (HEAD + b"Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc", b"400"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n", b"400"),
        (HEAD + b"Authorization: Bearer \xff\xc3\r\nContent-Length: 2\r\n\r\n{}", b"401"),
        (HEAD.replace(b"/m1/", b"/%ff%00/") + b"Content-Length: 2\r\n\r\n{}", b"202"),
        (HEAD.replace(b"/json", b"/json; charset*=utf-16''a") + b"Content-Length: 2\r\n\r\n{}", b"202"),
        (HEAD.replace(b"/json", b"/json; x*\xc2\xb2=a") + b"Content-Length: 2\r\n\r\n{}", b"202"),
        (HEAD.replace(b"application/json", b"\xff\xc3") + b"Content-Length: 2\r\n\r\n{}", b"415"),
    ],
)
def test_bytes_that_are_no_request_hurt_nobody(bench: Bench, sent: bytes, status: bytes) -> None:
    with socket.create_connection((HOST, bench.port), 30) as line:
        line.sendall(sent)
        assert line.recv(1_000)[9:12] == status
    with socket.create_connection((HOST, bench.port), 30) as gone:
        gone.sendall(HEAD + b"Content-Length: 9\r\n\r\n{}")
    assert bench.post(b"{}").status == 202


def test_who_asks_whether_to_send_the_body_is_told_to_go_on(bench: Bench) -> None:
    with socket.create_connection((HOST, bench.port), 30) as line:
        line.sendall(HEAD + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        assert line.recv(1_000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        line.sendall(b"{}")
        assert line.recv(1_000).startswith(b"HTTP/1.1 202")
    with socket.create_connection((HOST, bench.port), 30) as line:
        line.sendall(HEAD.replace(b"/json", b"/xml") + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        assert line.recv(1_000).startswith(b"HTTP/1.1 415"), "what is refused is refused before its body is sent"


def test_a_small_body_that_is_compressed_takes_its_own_room_only(bench: Bench) -> None:
    bench.holds = True
    connections = [bench.connect() for _ in range(20)]
    for connection in connections:
        connection.request("POST", READING, gzip.compress(b"{}"), {**JSON, "Content-Encoding": "gzip"})
        time.sleep(0.01)
    statuses = [connection.getresponse().status for connection in connections]
    assert statuses == [503] * 20, "nobody is told that it has too much under way: Kafka is away"
    for connection in connections:
        connection.close()


def test_what_kafka_does_not_have_in_time_is_to_be_sent_again(bench: Bench) -> None:
    bench.holds = True
    answered = bench.post(b"{}", Idempotency_Key="k1")
    assert (answered.status, answered.headers["Retry-After"]) == (503, "5")
    bench.holds = False
    assert bench.post(b"{}", Idempotency_Key="k1").status == 202


def test_a_repeat_with_its_key_is_answered_and_not_taken_again(bench: Bench) -> None:
    first = bench.post(b"{}", Idempotency_Key="k1")
    again = bench.post(b"{}", Idempotency_Key="k1")
    assert (first.status, first.body) == (again.status, again.body) == (202, b'{"accepted":1}')
    assert len(bench.taken) == 1
    assert bench.post(b"{}", "/v1/nilm_meter/m2/reading", Idempotency_Key="k1").status == 202


def test_another_body_under_a_key_is_told_and_goes_to_the_dead_letters(bench: Bench) -> None:
    assert bench.post(b"{}", Idempotency_Key="k1").status == 202
    other = bench.post(b'{"other":1}', Idempotency_Key="k1")
    assert (other.status, other.document["accepted"]) == (422, 0)
    assert [one["reason"] for one in other.document["rejected"]] == ["key_reused"]  # type: ignore[attr-defined]
    letter = bench.taken[-1]
    assert (letter.payload, letter.rejected and letter.rejected.reason) == (b'{"other":1}', Reason.KEY_REUSED)
    assert bench.post(b"{}", Idempotency_Key="k1").status == 202, "the first one's answer stays"
    assert len(bench.taken) == 2


def test_keys_of_senders_whom_nothing_authenticates_are_those_of_their_addresses(bench: Bench) -> None:
    assert bench.post(b'{"a":1}', Idempotency_Key="k1").status == 202
    neighbour = http.client.HTTPConnection(HOST, bench.port, timeout=30, source_address=("127.0.0.2", 0))
    neighbour.request("POST", READING, b'{"a":2}', {**JSON, "Idempotency-Key": "k1"})
    assert neighbour.getresponse().status == 202
    neighbour.close()
    assert [delivery.payload for delivery in bench.taken] == [b'{"a":1}', b'{"a":2}']


def test_a_sender_that_asks_faster_than_it_is_answered_is_told_to_wait() -> None:
    port = free_port()
    with serving(bridge(f"http://{HOST}:{port}", answer_within_s="60"), port) as bench:
        bench.holds = True
        connections = [bench.connect() for _ in range(MOST_REQUESTS_OF_ONE)]
        for connection in connections:
            connection.request("POST", READING, b"{}", JSON)
        statuses: list[int] = []
        while 429 not in statuses and len(statuses) < 1_000:
            connection = bench.connect()
            connection.timeout = 1
            connection.request("POST", READING, b"{}", JSON)
            try:
                statuses.append(connection.getresponse().status)
            except TimeoutError:
                statuses.append(0)
            connection.close()
        assert statuses[-1] == 429
        bench.holds = False
        assert {connection.getresponse().status for connection in connections} <= {202, 429}
        for connection in connections:
            connection.close()


def closed(line: socket.socket) -> bool:
    """The other side has closed it, with or without what it had to say."""
    try:
        return line.recv(1_000) == b""
    except ConnectionError:
        return True


def test_who_sends_no_whole_head_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.http._IDLE_S", 0.3)
    port = free_port()
    with serving(bridge(f"http://{HOST}:{port}"), port) as bench:
        for sent in (b"", HEAD):
            with socket.create_connection((HOST, port), 30) as line:
                line.sendall(sent)
                assert closed(line)
        with socket.create_connection((HOST, port), 30) as line:
            line.sendall(HEAD + b"Content-Length: 2\r\n\r\n{}")
            assert line.recv(1_000)[9:12] == b"202"
            line.sendall(HEAD)
            assert closed(line), "the second head of a connection too"
        assert bench.post(b"{}").status == 202


def test_who_sends_a_byte_now_and_then_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.http._READ_S", 0.5)
    port = free_port()
    with serving(bridge(f"http://{HOST}:{port}"), port) as bench:
        with socket.create_connection((HOST, port), 0.1) as line:
            line.sendall(HEAD + b"Content-Length: 1000\r\n\r\n")
            heard = b""
            for _ in range(300):
                line.sendall(b"x")
                with suppress(TimeoutError):
                    heard = line.recv(1_000)
                    break
            assert heard[9:12] == b"408"
        assert bench.post(b"{}").status == 202


def test_connections_are_bounded_and_those_there_are_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.http.MOST_CONNECTIONS", 3)
    port = free_port()
    with serving(bridge(f"http://{HOST}:{port}"), port) as bench:
        first = bench.connect()
        first.request("POST", READING, b"{}", JSON)
        assert first.getresponse().read() == b'{"accepted":1}'
        held = [socket.create_connection((HOST, port), 30) for _ in range(2)]
        with socket.create_connection((HOST, port), 30) as one_too_many:
            assert closed(one_too_many)
        first.request("POST", READING, b"{}", JSON)
        assert first.getresponse().read() == b'{"accepted":1}'
        for line in (first, *held):
            line.close()
        while not (status := attempt(bench)):
            pass
        assert status == 202, "there is room again"


def attempt(bench: Bench) -> int:
    """The status of a request; 0 where there was no room for its connection."""
    try:
        return bench.post(b"{}").status
    except (ConnectionError, http.client.RemoteDisconnected):
        return 0


def test_a_sender_that_brings_more_than_its_rate_is_told_when_to_come_again() -> None:
    port = free_port()
    with serving(bridge(f"http://{HOST}:{port}", rate_per_s="0.01", burst="3"), port) as bench:
        lines = b"\n".join([b"{}"] * 4)
        statuses = [bench.post(b"{}").status, bench.post(lines, Content_Type="application/x-ndjson").status]
        assert statuses == [202, 202], "a body that begins within the rate is taken whole"
        refused = bench.post(b"{}")
        assert (refused.status, int(refused.headers["Retry-After"]) > 200) == (429, True), "and counts whole"
        assert bench.post(b"{}", EVENT).status == 202, "events are not limited"
        neighbour = http.client.HTTPConnection(HOST, port, timeout=30, source_address=("127.0.0.2", 0))
        neighbour.request("POST", READING, b"{}", JSON)
        assert neighbour.getresponse().status == 202, "another pays nothing for it"
        neighbour.close()
    over = REGISTRY.get_sample_value("flexmeter_bridge_over_rate_total", {"bridge": "http_test"})
    assert over is not None and over >= 1


def test_the_document_is_openapi_and_is_served(bench: Bench) -> None:
    validate(DOCUMENT)
    answered = bench.ask("GET", "/openapi.json")
    assert (answered.status, answered.document) == (200, orjson.loads(orjson.dumps(DOCUMENT)))


def test_tokens_name_their_holders_and_change_without_a_restart(tmp_path: Path) -> None:
    tokens = tmp_path / "tokens.csv"

    def write(*pairs: tuple[str, str]) -> None:
        lines = [f"{identity},{hashlib.sha256(token.encode()).hexdigest()}" for identity, token in pairs]
        tokens.write_text("\n".join(["identity,sha256", *lines]))

    write(("hub-7", "old"))
    os.utime(tokens, (1, 1))
    port = free_port()
    with serving(bridge(f"http://{HOST}:{port}", anonymous=False, tokens_file=str(tokens)), port) as bench:
        assert bench.post(b"{}").status == 401
        assert bench.post(b"{}", Authorization="Bearer new").status == 401
        assert bench.post(b"{}", Authorization="Bearer old").status == 202
        assert bench.taken[0].identity == "hub-7"
        write(("hub-7", "new"))
        statuses = [bench.post(b"{}", Authorization="Bearer new").status]
        while statuses[-1] == 401 and len(statuses) < 5_000:
            statuses.append(bench.post(b"{}", Authorization="Bearer new").status)
        assert statuses[-1] == 202
        assert bench.post(b"{}", Authorization="Bearer old").status == 401


def test_certificates_name_their_holders(tmp_path: Path) -> None:
    ours, theirs = Authority(tmp_path), Authority(tmp_path, "another CA")
    server, hub, stranger = ours.sign("server"), ours.sign("hub-7"), theirs.sign("hub-7")
    port = free_port()
    files = {"cert_file": str(server.certificate), "key_file": str(server.key), "ca_file": str(ours.file)}
    tls = ssl.create_default_context(cafile=str(ours.file))
    tls.load_cert_chain(hub.certificate, hub.key)
    with serving(bridge(f"https://{HOST}:{port}", anonymous=False, **files), port, tls) as bench:
        assert bench.post(b"{}").status == 202
        assert bench.taken[0].identity == "hub-7"
        for client in (stranger, None):
            bench.tls = ssl.create_default_context(cafile=str(ours.file))
            if client is not None:
                bench.tls.load_cert_chain(client.certificate, client.key)
            with pytest.raises((ssl.SSLError, ConnectionError, http.client.RemoteDisconnected)):
                bench.post(b"{}")


def test_a_renewed_certificate_is_shown_without_a_restart(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    server, port = authority.sign("server"), free_port()
    options = {"cert_file": str(server.certificate), "key_file": str(server.key)}
    tls = ssl.create_default_context(cafile=str(authority.file))

    def shown() -> bytes:
        connection = bench.connect()
        connection.connect()
        certificate: bytes = connection.sock.getpeercert(True)  # type: ignore[union-attr]
        connection.close()
        return certificate

    with serving(bridge(f"https://{HOST}:{port}", **options), port, tls) as bench:
        before = shown()
        authority.sign("server")
        seen = [shown()]
        while seen[-1] == before and len(seen) < 5_000:
            seen.append(shown())
        assert seen[-1] != before


def test_a_certificate_that_comes_before_its_key_leaves_the_pair_before_in_use(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    files = authority.sign("server")
    certificate, key = files.certificate.read_bytes(), files.key.read_bytes()
    tls = ServerTls({"cert_file": str(files.certificate), "key_file": str(files.key)}, client_must=False)
    assert shown_by(tls, authority) == der(certificate)
    authority.sign("server")
    renewed, new_key = files.certificate.read_bytes(), files.key.read_bytes()
    files.key.write_bytes(key)
    tls.refresh(1.0)
    assert shown_by(tls, authority) == der(certificate)
    files.key.write_bytes(new_key)
    tls.refresh(1.0 + AGAIN_S)
    assert shown_by(tls, authority) == der(renewed)


def der(pem: bytes) -> bytes:
    return ssl.PEM_cert_to_DER_cert(pem.decode())


def shown_by(tls: ServerTls, authority: Authority) -> bytes | None:
    """The certificate of a handshake with the server, both in memory."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = tls.context.wrap_bio(to_server, to_client, server_side=True)
    trusting = ssl.create_default_context(cafile=str(authority.file))
    client = trusting.wrap_bio(to_client, to_server, server_hostname=HOST)
    for side in (client, server, client, server):
        with suppress(ssl.SSLWantReadError):
            side.do_handshake()
    return client.getpeercert(True)


def test_the_fleet_s_own_client_with_its_own_certificate_and_tokens(tmp_path: Path) -> None:
    certificate, key, tokens, trust = tmp_path / "crt", tmp_path / "key", tmp_path / "tokens.csv", Trust(b"r" * 32)
    keep_certificate(certificate, key)
    first = certificate.read_bytes()
    keep_certificate(certificate, key)
    assert certificate.read_bytes() == first, "one that is good stays"
    write_tokens(tokens, build_town(seed=1), trust)
    port = free_port()
    entry = bridge(
        f"https://{HOST}:{port}", False, cert_file=str(certificate), key_file=str(key), tokens_file=str(tokens)
    )
    link = DirectUplink({"http": HttpClient(entry.url, trust.token, str(certificate))})
    message = Message(0, 0, "v1/home_hub/reading", b"{}", MESSAGE, "http", sender="ENN-0001", holds=3)
    with serving(entry, port, ssl.create_default_context(cafile=str(certificate))) as bench:
        link.connect()
        link.send(message)
        link.send(message._replace(sender="nobody"))
        assert link.drain(20)
        assert (link.acknowledged, link.refused) == ({MESSAGE: 3}, 1)
        assert [(one.identity, one.payload) for one in bench.taken] == [("ENN-0001", b"{}")]
        bench.rejects = Rejected(Reason.UNKNOWN_METER, "who?")
        link.send(message)
        assert link.drain(20)
        assert link.refused == 2
        link.close()


def test_a_port_that_is_taken_is_waited_for(tmp_path: Path) -> None:
    port = free_port()
    with serving(bridge(f"http://{HOST}:{port}"), port), pytest.raises(Unavailable, match="http at"):
        HttpSource(bridge(f"http://{HOST}:{port}")).receive(0, 1)


@pytest.mark.parametrize(
    ("url", "options", "words"),
    [
        ("http://127.0.0.1:99999", {}, "Port out of range"),
        ("http://127.0.0.1:1", {"token_file": "x"}, "did you mean 'tokens_file'"),
        ("http://127.0.0.1:1", {"tokens_file": "/no/such"}, "cannot be read"),
        ("https://127.0.0.1:1", {"cert_file": "/no/such"}, "no certificate with its key"),
        ("http://127.0.0.1:1", {"answer_within_s": "soon"}, "could not convert"),
        ("http://127.0.0.1:1", {"rate_per_s": "0"}, "above 0"),
    ],
)
def test_faults_of_an_http_bridge(url: str, options: dict[str, str], words: str) -> None:
    with pytest.raises(Faults, match=words):
        HttpSource(bridge(url, **options))

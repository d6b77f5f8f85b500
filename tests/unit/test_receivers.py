"""Mails and webhooks, against real servers: what arrives, and which of the three outcomes each refusal is."""

import socket
import ssl
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from standardwebhooks import Webhook as Verifier
from standardwebhooks import WebhookVerificationError

from connectors.router.mail import Mail
from connectors.router.mail_text import compose
from connectors.router.receiver import Deferred, Receiver
from connectors.router.webhook import Webhook
from flexmeter.local.ports import HOST, free_port
from schemas.alert import Alert, decode_alert
from schemas.errors import Reason, Rejected, Unavailable
from schemas.faults import Faults
from schemas.topology import Router, Rule
from tests.certificates import Authority
from tests.receivers import PASSWORD, USER, Hook, Mailbox, mail_server, web_server

T = 1_795_507_200_000
T_DATE = datetime.fromtimestamp(T / 1000, UTC)
ALERT = Alert(
    "outage/t-7/1", 2, "outage", "critical", "updated", "t-7", "f-2", "ms-1", T, T - 60_000,
    "t-7 dunkel\r\nBcc: x@example.org seit 8 Uhr, 12 Kunden ü", {"phase": "located", "customers": 12},
)  # fmt: skip
SECRET, OLDER = "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_" + "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFB"


def router(url: str, **options: str) -> Router:
    return Router("r", url, "alerts", "marks", "deliveries", "dead", (Rule(),), options, timeout_s=5)


def mail_to(port: int, *to: str, url: str = "", **options: str) -> Mail:
    settings = {"from": "flexmeter@example.org", "to": " ".join(to or ["room@example.org"]), "tls": "off", **options}
    return Mail(router(url or f"smtp://{HOST}:{port}", **settings))


def told(attempt: Callable[[], object], outcome: type[Exception]) -> str:
    with pytest.raises(outcome) as raised:
        attempt()
    assert type(raised.value) is outcome
    return str(raised.value)


def test_a_mail_says_everything_and_no_device_writes_its_headers() -> None:
    mailbox, port = Mailbox(), free_port()
    with mail_server(mailbox, port):
        assert mail_to(port, "a@example.org", "b@example.org").deliver([ALERT]) == []
    (mail,) = mailbox.mails
    assert mailbox.recipients == [["a@example.org", "b@example.org"]]
    assert mail["Subject"] == "[critical] updated: t-7 dunkel  Bcc: x@example.org seit 8 Uhr, 12 Kunden ü"
    assert mail["Bcc"] is None and mail["Auto-Submitted"] == "auto-generated"
    text = mail.get_content()
    for said in ("outage/t-7/1 (number 2)", "ms-1/f-2", "2026-11-24T08:00:00Z", '"customers": 12', "12 Kunden ü"):
        assert said in text


def test_mails_of_one_alert_stand_together_and_repeats_have_the_same_id() -> None:
    def composed(number: int) -> tuple[str, str]:
        mail = compose([replace(ALERT, number=number)], "f@example.org", ["t@example.org"], T_DATE)
        return mail["Message-ID"], mail["References"]

    assert composed(2) == composed(2)
    assert composed(2)[0] != composed(3)[0]
    assert composed(2)[1] == composed(3)[1] != compose([replace(ALERT, id="x")], "f@e.org", [], T_DATE)["References"]


def test_a_digest_names_each_alert_the_worst_first() -> None:
    minor = replace(ALERT, id="presence/m1/1", kind="presence", severity="info", summary="m1 is silent")
    mail = compose([minor, ALERT, ALERT], "f@example.org", ["t@example.org"], T_DATE)
    assert mail["Subject"] == "[critical] 3 alerts: 2 outage, 1 presence"
    text = mail.get_content()
    assert text.index("outage/t-7/1") < text.index("presence/m1/1")


@pytest.mark.filterwarnings("ignore:Requiring AUTH")  # aiosmtpd does not see the TLS that it is wrapped in
@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
def test_tls_and_login(scheme: str, tmp_path: Path) -> None:
    authority, mailbox, port = Authority(tmp_path), Mailbox(), free_port()
    files = authority.sign("mail")
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(files.certificate, files.key)
    good = f"{scheme}://flex%3Ameter:s3cret%2F%40@{HOST}:{port}"
    trusted = {"tls": "", "ca_file": str(authority.file)}
    with mail_server(mailbox, port, tls, wrapped=scheme == "smtps"):
        mail_to(port, url=good, **trusted).deliver([ALERT])
        wrong = mail_to(port, url=good.replace("s3cret", "other"), **trusted)
        assert "535" in told(lambda: wrong.deliver([ALERT]), Unavailable)
        stranger = mail_to(port, url=good, tls="")
        assert "CERTIFICATE_VERIFY_FAILED" in told(lambda: stranger.deliver([ALERT]), Unavailable)
    assert len(mailbox.mails) == 1 and (USER, PASSWORD) == ("flex:meter", "s3cret/@")


def test_a_server_without_tls_gets_nothing_unless_told() -> None:
    mailbox, port = Mailbox(), free_port()
    with mail_server(mailbox, port):
        assert "STARTTLS" in told(lambda: mail_to(port, tls="").deliver([ALERT]), Unavailable)
    assert mailbox.mails == []


@pytest.mark.parametrize(
    ("answers", "outcome", "said"),
    [
        ({"DATA": "452 no room now"}, Deferred, "452 no room now"),
        ({"DATA": "554 no spam here"}, Rejected, "554 no spam here"),
        ({"room@example.org": "550 nobody of that name"}, Rejected, "550 nobody of that name"),
        ({"room@example.org": "450 come back later"}, Deferred, "450 come back later"),
    ],
)
def test_what_a_mail_server_refuses(answers: dict[str, str], outcome: type[Exception], said: str) -> None:
    port = free_port()
    with mail_server(Mailbox(answers=answers), port):
        assert said in told(lambda: mail_to(port).deliver([ALERT]), outcome)


def test_only_those_who_were_to_come_back_later_are_asked_again() -> None:
    mailbox, port = Mailbox(answers={"b@example.org": "450 grey", "c@example.org": "550 gone"}), free_port()
    mail = mail_to(port, "a@example.org", "b@example.org", "c@example.org")
    with mail_server(mailbox, port):
        assert "450 grey" in told(lambda: mail.deliver([ALERT]), Deferred)
    told(lambda: mail.deliver([ALERT]), Unavailable)
    del mailbox.answers["b@example.org"]
    with mail_server(mailbox, port):
        assert mail.deliver([ALERT]) == ["c@example.org: 550 gone"]
    assert mailbox.recipients == [["a@example.org"], ["b@example.org"]]
    assert mailbox.mails[0]["Message-ID"] == mailbox.mails[1]["Message-ID"]


def test_nobody_there_is_unavailable() -> None:
    port = free_port()
    told(lambda: mail_to(port).deliver([ALERT]), Unavailable)
    assert "Connect call failed" in told(lambda: posted(router(f"http://{HOST}:{port}/alerts")), Unavailable)


def posted(settings: Router) -> None:
    webhook: Receiver = Webhook(settings)
    try:
        assert webhook.deliver([ALERT]) == []
    finally:
        webhook.close()


def test_a_webhook_is_the_topics_json_signed_so_that_others_can_verify_it() -> None:
    hook, port = Hook(), free_port()
    with web_server(hook, port):
        posted(router(f"http://{HOST}:{port}/alerts", secret=f"{SECRET} {OLDER}"))
        posted(router(f"http://{HOST}:{port}/alerts"))
    signed, bare = hook.requests
    assert decode_alert(signed.body) == ALERT
    assert signed.headers["content-type"] == "application/json"
    assert signed.headers["ce-id"] == signed.headers["webhook-id"] == "outage/t-7/1/2"
    assert signed.headers["ce-type"] == "flexmeter.alert.outage.updated"
    for secret in (SECRET, OLDER):
        Verifier(secret).verify(signed.body, dict(signed.headers))
    with pytest.raises(WebhookVerificationError):
        Verifier(SECRET).verify(signed.body.replace(b"12", b"13"), dict(signed.headers))
    assert "webhook-signature" not in bare.headers


def test_header_values_that_are_no_ascii_are_percent_encoded() -> None:
    hook, port = Hook(), free_port()
    with web_server(hook, port):
        webhook = Webhook(router(f"http://{HOST}:{port}/alerts", secret=SECRET))
        webhook.deliver([replace(ALERT, subject='trafo "Süd" 7')])
        webhook.close()
    (request,) = hook.requests
    assert request.headers["ce-subject"] == "trafo%20%22S%C3%BCd%22%207"
    Verifier(SECRET).verify(request.body, dict(request.headers))


def test_https_is_verified(tmp_path: Path) -> None:
    authority, hook, port = Authority(tmp_path), Hook(), free_port()
    files = authority.sign("hook")
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(files.certificate, files.key)
    with web_server(hook, port, tls):
        posted(router(f"https://{HOST}:{port}/alerts", ca_file=str(authority.file)))
        assert "certificate" in told(lambda: posted(router(f"https://{HOST}:{port}/alerts")), Unavailable).lower()
    assert len(hook.taken) == 1


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        *((status, Rejected) for status in (400, 410, 413, 415, 422)),
        *((status, Unavailable) for status in (408, 429, 502, 503, 504)),
        *((status, Deferred) for status in (301, 307, 401, 403, 404, 405, 409, 500, 501)),
    ],
)
def test_what_a_web_server_refuses(status: int, outcome: type[Exception]) -> None:
    hook, port = Hook(answer=lambda _request: status, headers={"Location": "/alerts"}), free_port()
    with web_server(hook, port):
        assert f"HTTP {status}" in told(lambda: posted(router(f"http://{HOST}:{port}/alerts")), outcome)
    assert len(hook.requests) == 1, "redirects are not followed"


def test_a_refusal_has_a_reason_of_the_closed_set() -> None:
    port = free_port()
    with web_server(Hook(answer=lambda _request: 422), port), pytest.raises(Rejected) as rejected:
        posted(router(f"http://{HOST}:{port}/alerts"))
    assert rejected.value.reason is Reason.UNDELIVERED


def test_a_server_that_does_not_answer_is_unavailable() -> None:
    with socket.create_server((HOST, 0)) as silent:
        settings = router(f"http://{HOST}:{silent.getsockname()[1]}/alerts")
        told(lambda: posted(replace(settings, timeout_s=1)), Unavailable)


def test_a_file_of_certificates_that_is_none_is_told(tmp_path: Path) -> None:
    for make in (lambda path: mail_to(1, ca_file=path), lambda path: Webhook(router("https://h/", ca_file=path))):
        with pytest.raises(Faults, match="router r: ca_file"):
            make(str(tmp_path / "none.pem"))

"""Routers on a real Kafka, with real servers of mail and web: nothing is lost, and nothing comes twice."""

import json
import re
from collections import Counter
from itertools import count
from pathlib import Path

import pytest

from flexmeter.local.ports import HOST, free_port
from schemas.alert import AlertMark
from tests.receivers import Hook, Mailbox, Request, mail_server, web_server
from tests.router_process import MAIL, RULES, RouterPlace, an_alert

pytestmark = [pytest.mark.integration, pytest.mark.slow]

NAMED = re.compile(r"(\S+) \(number (\d+)\)")


def posted(hook: Hook) -> list[str]:
    return [request.headers["webhook-id"] for request in hook.taken]


def mailed(mailbox: Mailbox) -> list[str]:
    return ["/".join(found) for mail in mailbox.mails for found in NAMED.findall(mail.get_content())]


def place_of(kafka: str, folder: Path, name: str, url: str, *settings: str) -> RouterPlace:
    return RouterPlace(folder, kafka, name, url, settings)


def test_mails_survive_that_their_server_is_away(kafka: str, tmp_path: Path) -> None:
    port, mailbox = free_port(), Mailbox()
    place = place_of(kafka, tmp_path, "away-mail", f"smtp://{HOST}:{port}", RULES, MAIL, "digest_above: 100")
    with place.router():
        with mail_server(mailbox, port):
            place.put(*(an_alert(f"a{n}") for n in range(3)))
            place.wait_until_done()
        place.put(*(an_alert(f"b{n}") for n in range(5)), an_alert("a0", 2))
        place.wait_until(lambda: place.metric("flexmeter_router_failed_total") >= 3)
        assert place.metric("flexmeter_router_available") == 0
        with mail_server(mailbox, port):
            place.wait_until_done()
    expected = ["a0/1", "a1/1", "a2/1", *(f"b{n}/1" for n in range(5)), "a0/2"]
    assert mailed(mailbox) == expected, "each once, in their order"


def test_webhooks_survive_that_their_server_is_away_and_the_router_killed(kafka: str, tmp_path: Path) -> None:
    port, hook = free_port(), Hook()
    place = place_of(kafka, tmp_path, "away-hook", f"http://{HOST}:{port}/alerts", RULES)
    with place.router() as process, web_server(hook, port):
        place.put(an_alert("a"))
        place.wait_until_done()
        process.kill()
        process.wait()
    place.put(an_alert("a", 2), an_alert("b"))
    with place.router():
        place.wait_until(lambda: place.metric("flexmeter_router_failed_total") >= 2)
        place.put(an_alert("a", 3, "cleared"), an_alert("a"), an_alert("a", 2))  # a worker that replays
        with web_server(hook, port):
            place.wait_until_done()
    assert posted(hook) == ["a/1", "a/2", "b/1", "a/3"]


def test_a_router_killed_again_and_again_loses_nothing(kafka: str, tmp_path: Path) -> None:
    """What was under way when it was killed may come twice; nothing else does."""
    port, hook, kills = free_port(), Hook(), 4
    place = place_of(kafka, tmp_path, "killed", f"http://{HOST}:{port}/alerts", RULES)
    with web_server(hook, port):
        with place.router():
            pass
        place.put(*(an_alert(f"a{n % 50}", 1 + n // 50) for n in range(200)))
        for kill in range(kills):
            with place.router() as process:
                place.wait_until(lambda seen=30 * (kill + 1): len(hook.taken) >= seen)
                process.kill()
                process.wait()
        with place.router():
            place.wait_until_done()
    counts = Counter(posted(hook))
    assert set(counts) == {f"a{n}/{number}" for n in range(50) for number in (1, 2, 3, 4)}
    assert sum(counts.values()) <= 200 + kills
    assert len(place.records("deliveries")) >= 200


def test_a_storm_makes_digests(kafka: str, tmp_path: Path) -> None:
    port, mailbox = free_port(), Mailbox()
    settings = (RULES, MAIL, "digest_above: 3", "digest_every_s: 2")
    place = place_of(kafka, tmp_path, "storm", f"smtp://{HOST}:{port}", *settings)
    with mail_server(mailbox, port):
        with place.router():
            pass
        place.put(*(an_alert(f"a{n}") for n in range(300)))
        with place.router():
            place.wait_until_done()
    assert sorted(mailed(mailbox)) == sorted(f"a{n}/1" for n in range(300))
    assert len(mailbox.mails) < 30
    assert max(len(NAMED.findall(mail.get_content())) for mail in mailbox.mails) >= 30


def test_provisional_outages_are_held_off_also_over_a_restart(kafka: str, tmp_path: Path) -> None:
    port, hook = free_port(), Hook()
    rules = "rules: [{severity: warning, hold_off_s: 3600}]"
    place = place_of(kafka, tmp_path, "held", f"http://{HOST}:{port}/alerts", rules)
    provisional = {"evidence": {"phase": "provisional"}}
    with web_server(hook, port):
        with place.router():
            place.put(an_alert("a", **provisional), an_alert("b", **provisional), an_alert("c", **provisional))
            place.put(an_alert("d"), an_alert("b", 2, "cleared"))
            place.wait_until(lambda: posted(hook) == ["d/1"])
        with place.router():
            place.put(an_alert("c", 2, evidence={"phase": "located"}), an_alert("e"))
            place.wait_until(lambda: posted(hook) == ["d/1", "c/2", "e/1"])
        assert min(place.committed().values()) == 0, "the one that is still held is read again"
    outcomes = {(one.alert, one.number): one.outcome for one in place.records("deliveries")}
    assert outcomes == {
        ("b", 1): "superseded",
        ("c", 1): "superseded",
        **dict.fromkeys((("c", 2), ("d", 1), ("e", 1)), "delivered"),
    }


def test_silenced_and_acknowledged_ones_are_spared(kafka: str, tmp_path: Path) -> None:
    port, hook, numbers = free_port(), Hook(), count()
    place = place_of(kafka, tmp_path, "marks", f"http://{HOST}:{port}/alerts", RULES)

    def knows_the_silence() -> bool:
        """And the acknowledgement, which stands before it."""
        place.put(an_alert(f"probe-{next(numbers)}", kind="anomaly"))
        return any(one.outcome == "silenced" for one in place.records("deliveries"))

    with web_server(hook, port), place.router():
        place.put(an_alert("a"))
        place.wait_until_done()
        place.put(AlertMark("k1", "acknowledged", "a", "", "", "", "", 0, 0, "ann", "on my way"))
        place.put(AlertMark("k2", "silenced", "", "anomaly", "", "ms-1", "", 0, 2**45, "bob", "tests"))
        place.wait_until(knows_the_silence)
        place.put(an_alert("a", 2), an_alert("b", kind="anomaly"), an_alert("c"), an_alert("a", 3, "cleared"))
        place.wait_until_done()
    told = [name for name in posted(hook) if not name.startswith("probe")]
    assert told == ["a/1", "c/1", "a/3"], "the end of what was told is always told"
    spared = {(one.alert, one.number): one.outcome for one in place.records("deliveries") if one.alert in ("a", "b")}
    assert spared == {("a", 1): "delivered", ("a", 2): "acknowledged", ("a", 3): "delivered", ("b", 1): "silenced"}


def test_what_is_refused_for_good_is_a_dead_letter_and_holds_nobody_up(kafka: str, tmp_path: Path) -> None:
    def answer(request: Request) -> int:
        return {"bad": 422, "slow": 500}.get(json.loads(request.body)["id"], 200)

    port, hook = free_port(), Hook(answer)
    place = place_of(kafka, tmp_path, "refused", f"http://{HOST}:{port}/alerts", RULES, "give_up_after_s: 3")
    with web_server(hook, port), place.router():
        place.put(an_alert("bad"), an_alert("slow"), an_alert("good"))
        place.put_raw(b"no alert at all")
        place.wait_until_done()
    assert posted(hook) == ["good/1"]
    letters = place.records("dead")
    assert sorted((letter.reason, letter.source) for letter in letters) == [
        ("schema", "receiver"), ("undelivered", "receiver"), ("undelivered", "receiver"),
    ]  # fmt: skip
    details = {json.loads(letter.payload)["id"]: letter.detail for letter in letters if letter.reason == "undelivered"}
    assert details["bad"] == "HTTP 422 said 422"
    assert details["slow"].startswith("given up after 3 s: ") and "HTTP 500" in details["slow"]


def test_two_routers_of_one_name_share_the_work(kafka: str, tmp_path: Path) -> None:
    port, hook = free_port(), Hook()
    place = place_of(kafka, tmp_path, "shared", f"http://{HOST}:{port}/alerts", RULES)
    second = RouterPlace(tmp_path, kafka, "shared", place.url, place.settings)
    alerts = [an_alert(f"a{n}", substation=f"ms-{n % 7}") for n in range(200)]
    with web_server(hook, port), place.router() as first:
        place.put(*alerts[:100])
        with second.router():
            place.put(*alerts[100:])
            place.wait_until(lambda: len(hook.taken) >= 120)
            first.terminate()
            first.wait()
            place.wait_until_done()
    assert sorted(posted(hook)) == sorted(f"{one.id}/1" for one in alerts)

"""The page in headless Chromium: every dashboard drawn, nothing asked elsewhere, for everyone's eyes and hands."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from flexmeter.local.ports import HOST
from flexmeter.page.boards import CLICKHOUSE
from tests.browser import CHROMIUM, Tab, tab
from tests.every_kind import dashboard, nothing_to_choose
from tests.grafana import BOARDS
from tests.serve_page import served

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium: apt-get install chromium"),
]

AXE = Path("flexmeter/page/node_modules/axe-core/axe.min.js")
DRAWN = "document.documentElement?.dataset.turn"
STATES = """Object.fromEntries([...document.querySelectorAll(".panel")].map((panel) =>
    [panel.querySelector("h2").textContent, panel.dataset.state === "drawn" ? "drawn" : panel.textContent]))"""
SAID = """Object.fromEntries([...document.querySelectorAll('.panel[data-state="empty"]')].map((panel) =>
    [panel.querySelector("h2").textContent, panel.querySelector(".empty").textContent]))"""
# Of each plot, the series whose colour is nowhere on its canvas (about: lines are smoothed), but for bars of nothing.
UNSEEN = """[...document.querySelectorAll(".plot canvas")].flatMap((canvas) => {
    const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
    const near = (at, rgb) => pixels[at + 3] > 200 && rgb.every((c, i) => Math.abs(pixels[at + i] - c) < 40);
    const places = Array.from({length: pixels.length / 4}, (_, i) => 4 * i);
    const isSeen = (rgb) => places.some((at) => near(at, rgb));
    const panel = canvas.closest(".panel");
    const colourOf = (swatch) => getComputedStyle(swatch).backgroundColor.match(/\\d+/g).map(Number);
    const isNothing = (swatch) => /^0(\\s|$)/.test(swatch.closest("tr")?.lastChild.textContent ?? "");
    return [...panel.querySelectorAll(".legend .swatch")]
        .filter((swatch) => !isNothing(swatch) && !isSeen(colourOf(swatch)))
        .map((swatch) => `${panel.querySelector("h2").textContent}: ${swatch.parentElement.textContent}`);
})"""
# Rows of a table are alike: the first three stand for the rest.
SERIOUS = """axe.run({exclude: [["tbody tr:nth-child(n+4)"]]}, {resultTypes: ["violations"]})
    .then(({violations}) => violations
    .filter(({impact}) => impact === "serious" || impact === "critical")
    .flatMap(({id, nodes}) => nodes.map(({html, failureSummary}) => `${id}: ${html} ${failureSummary}`)))"""
DRAWABLE = [
    uid for uid, board in BOARDS.items() if any(panel["datasource"]["type"] == CLICKHOUSE for panel in board["panels"])
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("page")


@pytest.fixture(scope="module")
def port(folder: Path) -> Iterator[int]:
    with served(folder) as number:
        yield number


@pytest.fixture(scope="module")
def browser(folder: Path, port: int) -> Iterator[Tab]:
    for board in (dashboard(), nothing_to_choose()):
        (folder / f"dashboards/metering/{board['uid']}.json").write_text(json.dumps(board))
    with tab(folder / "profile") as made:
        yield made


@pytest.fixture
def page(browser: Tab) -> Iterator[Tab]:
    """The tab, in which nothing has gone wrong and nothing does, and which asks nobody else."""
    browser.faults.clear()
    browser.asked.clear()
    yield browser
    assert browser.faults == []


def show(page: Tab, port: int, path: str, width: int = 1440, scheme: str = "light") -> None:
    page.open(f"http://{HOST}:{port}{path}", width=width, scheme=scheme)
    page.wait_for(DRAWN)


def elsewhere(page: Tab, port: int) -> set[str]:
    """Whom the page asked besides the server that it came from; data: and blob: are in the page itself."""
    sites = {f"{url.scheme}://{url.netloc}" for url in map(urlsplit, page.asked)}
    return {site for site in sites if not site.startswith(("data:", "blob:"))} - {f"http://{HOST}:{port}"}


def serious(page: Tab) -> list[str]:
    """What axe-core holds to be a serious or critical fault."""
    page.evaluate(AXE.read_text())
    found: list[str] = page.evaluate(SERIOUS)
    return found


@pytest.mark.parametrize("uid", [*DRAWABLE, "every-kind"])
def test_every_panel_is_drawn_for_everyone_and_nobody_else_is_asked(page: Tab, port: int, uid: str) -> None:
    show(page, port, f"/d/{uid}")
    page.wait_for("[...document.querySelectorAll('.panel')].every(({dataset}) => dataset.state === 'drawn')")
    board: Any = BOARDS.get(uid) or dashboard()
    states = page.evaluate(STATES)
    assert len(states) == len(board["panels"]) and set(states.values()) == {"drawn"}, states
    assert page.evaluate("document.querySelectorAll('.plot canvas').length") == sum(
        panel["type"] == "timeseries" for panel in board["panels"]
    )
    assert page.evaluate(UNSEEN) == []
    assert serious(page) == []
    assert elsewhere(page, port) == set()
    assert page.evaluate("document.querySelector('#menu [aria-current]').textContent") == board["title"]


@pytest.mark.parametrize("uid", [*DRAWABLE, "every-kind"])
def test_it_fits_a_narrow_screen_in_the_dark_and_has_a_table_behind_every_plot(page: Tab, port: int, uid: str) -> None:
    show(page, port, f"/d/{uid}", width=800, scheme="dark")
    assert page.evaluate("document.documentElement.scrollWidth") <= 800
    page.evaluate("document.querySelectorAll('.behind').forEach((button) => button.click())")
    assert set(page.evaluate(STATES).values()) == {"drawn"}
    panels = "[...document.querySelectorAll('.panel:not(.stat, .gauge)')]"
    assert page.evaluate(f"{panels}.filter((panel) => !panel.querySelector('tbody td')).map((panel) => panel.id)") == []
    assert serious(page) == []


def test_the_faults_that_these_tests_look_for_would_be_found(page: Tab, port: int) -> None:
    show(page, port, "/d/every-kind")
    page.evaluate("document.querySelector('.legend .swatch').style.backgroundColor = 'rgb(255, 0, 255)'")
    assert page.evaluate(UNSEEN) == ["Lines and limits: a"]
    page.evaluate("document.querySelector('h2').style.color = '#ddd'")
    assert serious(page)[0].startswith("color-contrast")
    page.evaluate("console.error('broken')")
    page.evaluate("fetch('http://example.org/').catch(() => 0)")
    assert page.evaluate("1") == 1
    assert any("broken" in fault for fault in page.faults)
    assert any("Content Security Policy" in fault for fault in page.faults)
    page.faults.clear()


def test_an_address_opens_what_it_names(page: Tab, port: int) -> None:
    show(page, port, "/d/flexmeter-meter?var-meter=E350-00002&from=now-3h&to=now&timezone=utc")
    assert page.evaluate("document.querySelector('[name=meter]').value") == "E350-00002"
    assert page.evaluate("document.querySelector('#range-shown').textContent") == "Last 3 hours"
    assert page.evaluate("document.querySelector('#clock').textContent").endswith("UTC")


def test_a_click_in_a_table_leads_to_the_meter_at_the_same_time(page: Tab, port: int) -> None:
    show(page, port, "/d/flexmeter-fleet?from=now-12h&to=now")
    page.evaluate("document.querySelector('td a[href*=flexmeter-meter]').click()")
    page.wait_for(f"location.pathname === '/d/flexmeter-meter' && {DRAWN}")
    chosen = parse_qs(urlsplit(page.evaluate("location.href")).query)
    assert (chosen["from"], chosen["to"]) == (["now-12h"], ["now"])
    assert page.evaluate("document.querySelector('[name=meter]').value") == chosen["var-meter"][0]


def test_another_choice_is_asked_for_and_can_be_linked_to(page: Tab, port: int) -> None:
    show(page, port, "/d/flexmeter-live")
    before = page.evaluate("document.querySelector('[name=meter]').value")
    page.evaluate("document.querySelector('[name=meter]').focus()")
    page.press("ArrowDown")
    title = "[...document.querySelectorAll('h2')].find(({textContent}) => textContent.startsWith('Power of'))"
    assert page.evaluate(f"{title}.textContent") == f"Power of meter {before}"
    page.wait_for(f"!{title}.textContent.endsWith('{before}')")
    chosen = page.evaluate("document.querySelector('[name=meter]').value")
    assert parse_qs(urlsplit(page.evaluate("location.href")).query)["var-meter"] == [chosen] != [before]


def test_it_goes_on_by_itself(page: Tab, port: int) -> None:
    show(page, port, "/")
    first = int(page.evaluate(DRAWN))
    assert page.evaluate("document.querySelector('#refresh').value") == "5s"
    page.wait_for(f"Number({DRAWN}) > {first}")


def test_the_keyboard_reaches_the_panels_and_reads_a_plot(page: Tab, port: int) -> None:
    show(page, port, "/d/every-kind?refresh=off")
    page.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the panels"
    page.press("Enter")
    page.wait_for("document.activeElement.id === 'panels'")
    page.evaluate("document.querySelector('.plot').focus()")
    page.press("ArrowLeft")
    newest = page.wait_for("document.querySelector('.tooltip:not([hidden])')?.textContent")
    page.press("ArrowLeft")
    page.wait_for(f"document.querySelector('.tooltip:not([hidden])')?.textContent !== {json.dumps(newest)}")
    assert " W" in newest.replace("\u00a0", " ")
    page.press("Escape")
    page.wait_for("!document.querySelector('.tooltip:not([hidden])')")


def test_the_keyboard_reads_a_lane_and_follows_it_to_its_outage(page: Tab, port: int) -> None:
    show(page, port, "/d/flexmeter-outages?from=now-3h&to=now&refresh=off&timezone=utc")
    words = "[...document.querySelectorAll('.timeline .legend li')].map((entry) => entry.textContent)"
    assert page.evaluate(words) == ["provisional", "sustained", "closed"]
    page.evaluate("document.querySelector('.timeline .scroll').focus()")
    page.press("Tab")
    told = page.wait_for("document.querySelector('.timeline .tooltip:not([hidden])')?.textContent")
    assert told.startswith("F1-T2provisional") and told.endswith("to now")
    assert page.evaluate("document.activeElement.getAttribute('aria-label')").startswith("F1-T2: provisional 20")
    page.press("Enter")
    page.wait_for(f"location.pathname === '/d/flexmeter-outage' && {DRAWN}")
    followed = parse_qs(urlsplit(page.evaluate("location.href")).query)
    assert followed["var-outage"][0].startswith("outage/S1/") and followed["from"] == ["now-3h"]
    assert "F1-T2 dark" in page.evaluate("document.querySelector('main').textContent")


def test_where_nothing_happens_that_is_said(page: Tab, port: int) -> None:
    show(page, port, "/d/flexmeter-outages?var-substation=elsewhere&from=now-1h&to=now")
    said = dict.fromkeys(
        ("Outages over time", "Outages begun by hour", "Outages"), "No outage is known of this time range."
    )
    assert page.evaluate(SAID) == {
        **said,
        "Dark now": "No outage is known now.",
        "The grid: what is dark": "No grid is published: see flexmeter grid.",
        "Reliability by feeder": "No data in this time range.",
        "SAIDI by day": "No data in this time range.",
    }
    numbers = "[...document.querySelectorAll('.stat .value')].slice(0, 4).map((value) => value.textContent)"
    assert page.evaluate(numbers) == ["0", "0", "none", "0"]


def test_a_variable_without_values_is_said(page: Tab, port: int) -> None:
    show(page, port, "/d/nothing-to-choose")
    assert page.evaluate(SAID) == {"A panel": "There is no heat pump yet."}


def test_a_server_that_is_away_is_told_and_waited_for(page: Tab, port: int) -> None:
    show(page, port, "/d/every-kind")
    page.evaluate("{ const there = fetch; fetch = () => { fetch = there; return Promise.reject(TypeError()); } }")
    page.evaluate("dispatchEvent(new PopStateEvent('popstate'))")
    assert "trying again" in page.wait_for("document.querySelector('#trouble').textContent")
    page.wait_for("document.querySelector('#trouble').textContent === ''")


def test_a_dashboard_that_does_not_exist_is_told(page: Tab, port: int) -> None:
    page.open(f"http://{HOST}:{port}/d/nothing")
    assert (
        page.wait_for("document.querySelector('#says').textContent") == "None is called nothing: choose one of these."
    )
    assert page.wait_for("document.querySelector('#menu a').textContent")
    page.faults.clear()  # its 404


def test_what_asks_prometheus_is_told_to_be_left_out(page: Tab, port: int) -> None:
    show(page, port, "/")
    assert "Pipeline health" in page.evaluate("document.querySelector('#left-out').textContent")
    menu = page.evaluate("[...document.querySelectorAll('#menu a')].map((link) => link.textContent)")
    assert menu[0] == "Live" and sorted(menu) == sorted(
        [*(BOARDS[uid]["title"] for uid in DRAWABLE), "Every kind", "Nothing to choose"]
    )

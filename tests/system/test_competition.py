"""A competition on a running exchange, from the invitation to the standings, with its referee killed in mid-round."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import requests
from playwright.sync_api import Browser, Page, expect
from pyarrow import parquet

from bench.browser import running_browser
from bots.client import Client
from db.connect import Database
from tests.support.browser import Visit, violations
from tests.support.databases import renew_clearing_data, renew_market_data
from tests.support.every_read import every_read
from tests.support.exchange import Exchange, running_exchange
from tests.support.organiser import Organiser, denial, join, limit, phases

CASE: dict[str, Any] = {
    "name": "Two short rounds",
    "rounds": 2,
    "round_seconds": 5,
    "break_seconds": 1,
    "auction_seconds": 1,
    "securities": [{"security_id": "ACME", "reference_price": 50.00, "band": 0.10}],
    "endowment": {"cash": 10000.00, "shares": {"ACME": 100}},
    "limits": {"max_order_quantity": 500},
    "house": [{"strategy": "zero_intelligence", "options": {"every_s": 0.3}}],
    # Two items may have the same headline.
    "news": [{"at": 1, "headline": "ACME wins an order", "security_id": "ACME", "change": 0.05}] * 2,
    "scoring": "root",
    "final": "value",
    "max_teams": 4,
}


@pytest.fixture(scope="module")
def exchange(_databases: tuple[Database, Database]) -> Iterator[Exchange]:
    """Run one exchange for all tests of this module; each competition has its own securities."""
    renew_clearing_data(_databases[0])
    renew_market_data(_databases[1])
    with running_exchange() as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running_browser() as browser:
        yield browser


def test_two_rounds_with_a_referee_that_is_killed(exchange: Exchange, browser: Browser, tmp_path: Path) -> None:
    organiser = Organiser(exchange, CASE)
    links = organiser.ask("POST", f"{organiser.path}/invites", json={"count": 5}, status=201)["invites"]
    names = ("Fast", "Slow", "Asleep", "Closed")
    joined = {team: join(link, team).json() for team, link in zip(names, links, strict=False)}
    fast, slow = (Client(exchange.url, joined[team]["api_key"]) for team in ("Fast", "Slow"))
    assert join(links[0], "Late").json()["code"] == "invite_used"
    assert join(links[4], "Late").json()["code"] == "competition_full"
    organiser.ask("DELETE", f"/accounts/{joined['Closed']['client_id']}", status=202)
    exchange.wait_until(lambda: "ACME" in phases(exchange), "the security is listed and closed")
    exchange.wait_until(lambda: phases(exchange)["ACME"] == "closed", "the security is listed and closed")
    assert denial(fast, limit("ACME", "buy", "50.00", 1)) == "closed"

    organiser.ask("POST", f"{organiser.path}/start")
    assert join(links[4], "Later").json()["code"] == "registration_closed"
    _play(organiser, fast, slow, "ACME", number=1)
    assert requests.get(f"{exchange.url}{organiser.path}/replay/ACME", timeout=20).json()["code"] == "not_over"
    _check_privacy(exchange, joined.values())
    exchange.kill("referee")
    exchange.wait_until(lambda: exchange.is_back("referee"), "the referee is back")
    organiser.wait_for("the first round is over", state="break")
    assert denial(fast, limit("ACME", "buy", "50.00", 1)) == "settled"
    _play(organiser, fast, slow, "ACME.2", number=2)
    organiser.wait_for("the closing auction", phase="closing_auction")
    exchange.kill("referee")
    finished = organiser.wait_for("both rounds are over", state="finished")

    assert hashlib.sha256(finished["seed"].encode()).hexdigest() == finished["seed_sha256"]
    _check_standings(organiser, joined)
    _watch_replay(organiser, Visit(browser, exchange.url), joined, tmp_path)
    news = [item for item in fast.news() if item.headline == "ACME wins an order"]
    assert [item.security_id for item in news] == ["ACME.2", "ACME.2", "ACME", "ACME"]
    _recount(organiser, tmp_path)
    assert exchange.audit().passed


def _check_privacy(exchange: Exchange, joined: Iterable[dict[str, str]]) -> None:
    """Check that the leaderboard, which everyone reads, does not show the accounts of teams."""
    shown = {row["client_id"] for row in requests.get(f"{exchange.url}/leaderboard", timeout=20).json()["data"]}
    assert "SINGLE" in shown
    assert shown.isdisjoint(one["client_id"] for one in joined)


def _watch_replay(organiser: Organiser, visit: Visit, joined: dict[str, dict[str, str]], folder: Path) -> None:
    """Look at the first round again: the book at a moment, the trades until then, and the team's own fills."""
    place = organiser.exchange.url + organiser.path
    rounds = requests.get(f"{place}/replays", timeout=20).json()["data"]
    assert rounds == [{"round": n, "security_id": one, "name": "ACME"} for n, one in ((1, "ACME"), (2, "ACME.2"))]
    rows = requests.get(f"{place}/replay/ACME", timeout=20).json()
    tape = requests.get(f"{organiser.exchange.url}/trades/ACME?limit=1000", timeout=20).json()["data"]
    assert [row[4] for row in rows["trades"]] == [trade["trade_id"] for trade in reversed(tape)]
    assert [phase for _, phase in rows["phases"]] == ["auction", "continuous", "auction", "closed"]
    page = visit.page
    page.goto(f"{visit.url}/?replay={organiser.competition_id}&security=ACME")
    expect(page.locator("#replay-name")).to_have_text(CASE["name"])
    expect(page.locator("#day-phase")).to_have_text("auction")
    expect(page.locator("#tape-rows tr")).to_have_count(0)
    before_the_end = max(row[0] for row in rows["trades"]) // 100 * 100 + 100  # the slider has steps of a tenth
    _move_to(page, before_the_end)
    expect(page.locator("#tape-rows tr").first).to_contain_text(f"{rows['trades'][-1][1]:.2f}")
    for side in ("bid", "ask"):
        expect(page.locator(f"#quote-{side}")).to_have_text(_best(rows["book"], side, page))
    expect(page.locator("#candles-chart")).to_have_attribute("aria-label", re.compile("and 0 marks of own fills"))
    expect(page.locator("#replay-own")).not_to_be_visible()
    _follow_own_fills(visit, joined, before_the_end)
    assert violations(page) == []
    page.screenshot(path=folder / "replay.png")
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.screenshot(path=folder / "replay-phone.png", full_page=True)
    _move_to(page, 0)
    expect(page.locator("#tape-rows tr")).to_have_count(0)
    page.click("#replay-play")
    expect(page.locator("#tape-rows tr").first).to_be_visible()
    visit.check()
    page.context.close()


def _follow_own_fills(visit: Visit, joined: dict[str, dict[str, str]], end_ms: int) -> None:
    """With its key, each team sees its own fills and no others; a fill leads to its moment."""
    page = visit.page
    for team in ("Asleep", "Slow", "Fast"):
        visit.trade_as(joined[team]["api_key"])
        own = [fill.trade_id for fill in Client(visit.url, joined[team]["api_key"]).fills("ACME")][::-1]
        assert bool(own) is (team != "Asleep")
        expect(page.locator("#replay-fills li")).to_have_count(len(own))
        for place, trade_id in enumerate(own):
            fill = page.locator("#replay-fills button").nth(place)
            expect(fill).to_have_attribute("title", re.compile(re.escape(f"trade {trade_id},")))
            fill.click()
            expect(fill).to_have_attribute("aria-current", "true")
            expect(page.locator(f"#tape-rows tr.own[title^='trade {trade_id},']")).to_be_visible()
        if own:
            expect(page.locator("#candles-chart")).to_have_attribute("aria-label", re.compile("[1-9] marks? of own"))
        else:
            expect(page.locator("#replay-sum")).to_have_text("You have no fills in this security and round.")
            expect(page.locator("#tape-rows tr.own")).to_have_count(0)
        if team != "Fast":
            page.click("#key-forget")
            expect(page.locator("#replay-own")).not_to_be_visible()
            _move_to(page, end_ms)


def _move_to(page: Page, time_ms: int) -> None:
    page.locator("#replay-time").evaluate(
        "(slider, time) => { slider.value = time; slider.dispatchEvent(new Event('input')); }", time_ms
    )


def _best(book: list[list[Any]], side: str, page: Page) -> str:
    """Return the best price of a side at the time of the slider, from the rows of the replay."""
    until_ms = int(page.input_value("#replay-time"))
    levels = {price: quantity for time_ms, of, price, quantity, _ in book if of == side and time_ms <= until_ms}
    prices = [price for price, quantity in levels.items() if quantity]
    return f"{(max if side == 'bid' else min)(prices):.2f}" if prices else "\N{EN DASH}"


def _recount(organiser: Organiser, folder: Path) -> None:
    """Recount the standings from what the exchange keeps, and again with one cent moved in the ledger."""
    place = organiser.exchange.url + organiser.path
    said = verify(place, "--save", folder, "--parquet")
    assert said.returncode == 0, said.stderr
    assert "2 rounds" in said.stdout
    assert parquet.read_table(folder / "trades.parquet").num_rows > 1
    assert verify(folder).returncode == 0
    ledger = (folder / "ledger.csv").read_text()
    (folder / "ledger.csv").write_text(ledger.replace(",deposit,,1000000,", ",deposit,,1000001,", 1))
    tampered = verify(folder)
    assert tampered.returncode == 1
    assert "did not begin with exactly the endowment" in tampered.stderr


def verify(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bots", "verify", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )


def _play(organiser: Organiser, fast: Client, slow: Client, security_id: str, *, number: int) -> None:
    """Begin a round with exactly the endowment, and let two teams trade in it."""
    exchange = organiser.exchange
    organiser.wait_for("the auction", round=number, phase="auction")
    for client in (fast, slow):
        account = client.account(client.get("/whoami", dict[str, Any])["client_id"])
        assert account.balance == 10_000
        assert {one.security_id: one.shares for one in account.holdings if one.shares} == {security_id: 100}
    exchange.wait_until(lambda: phases(exchange)[security_id] == "continuous", "trading")
    assert denial(fast, limit("MSFT", "buy", "100.00", 1)) == "other_market"
    outsider = Client(exchange.url, exchange.keys["SINGLE"])
    assert denial(outsider, limit(security_id, "buy", "50.00", 1)) == "other_market"
    assert denial(fast, limit(security_id, "buy", "1.00", 501)) == "quantity_too_large"
    slow.place(limit(security_id, "sell", "49.00", 20))
    fast.place(limit(security_id, "buy", "51.00", 20))
    exchange.wait_until(lambda: any(True for _ in fast.fills(security_id)), "a trade")


def _check_standings(organiser: Organiser, joined: dict[str, dict[str, str]]) -> None:
    rows = organiser.standings()
    assert {row["team"]: row["client_id"] for row in rows} == {team: one["client_id"] for team, one in joined.items()}
    by_team = {row["team"]: row for row in rows}
    for team in ("Asleep", "Closed"):
        assert [one["gain"] for one in by_team[team]["rounds"]] == [0, 0], team
    assert by_team["Fast"]["gain"] != 0
    for row in rows:
        assert [one["round"] for one in row["rounds"]] == [1, 2]
        assert Decimal(str(row["points"])) == sum(Decimal(str(one["points"])) for one in row["rounds"])
    assert [row["points"] for row in rows] == sorted((row["points"] for row in rows), reverse=True)


# -- in the browser ---------------------------------------------------------------------------------------------------

PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
WALL = {"viewport": {"width": 1920, "height": 1080}}


def test_from_the_invitation_to_the_report_in_the_browser(exchange: Exchange, browser: Browser, tmp_path: Path) -> None:
    desk, wall, phone = (
        Visit(browser, exchange.url, **options) for options in ({"viewport": WALL["viewport"]}, WALL, PHONE)
    )
    case = CASE | {
        "name": "In the browser",
        "rounds": 1,
        "round_seconds": 600,
        "securities": [{"security_id": "WEB", "reference_price": 20.00}],
        "endowment": {"cash": 5000, "shares": {"WEB": 50}},
        "news": [{"at": 2, "headline": "WEB <b>opens</b> a shop", "security_id": "WEB", "change": 0.02}],
        "house": [{"strategy": "zero_intelligence", "count": 3, "options": {"every_s": 0.2}}],
        "final": "last",
    }
    desk.page.on("dialog", lambda dialog: dialog.accept())
    link = _create(desk, exchange.keys["admin"], case)
    wall.page.goto(exchange.url + (desk.page.locator("#projector").get_attribute("href") or ""))
    expect(wall.page.locator("#state")).to_have_text("Teams are joining")
    key = _join(phone, link, tmp_path)

    desk.page.click("#start")
    expect(desk.page.locator("#chosen-state")).to_have_text("trading")
    expect(wall.page.locator("#state")).to_have_text("Trading")
    expect(wall.page.locator("#news")).to_contain_text("WEB <b>opens</b> a shop")
    expect(wall.page.locator("#standings tr")).to_have_count(1)
    expect(wall.page.locator("#standings")).to_contain_text("<i>Bold</i> Birds")
    expect(wall.page.locator("#prices strong")).to_have_text(re.compile("[0-9]"))
    expect(desk.page.locator("#teams tr")).to_have_count(4)
    assert violations(desk.page) == []
    desk.page.click("#pause")
    expect(wall.page.locator("#state")).to_have_text("Paused")
    expect(desk.page.locator("#chosen-state")).to_have_text("paused")
    exchange.wait_until(lambda: phases(exchange)["WEB"] == "halted", "the pause")
    for visit, name in ((desk, "console"), (wall, "projector")):
        assert violations(visit.page) == []
        visit.page.screenshot(path=tmp_path / f"{name}.png")
    desk.page.set_viewport_size(PHONE["viewport"])
    assert desk.page.evaluate("document.documentElement.scrollWidth") <= 390
    desk.page.screenshot(path=tmp_path / "console-phone.png", full_page=True)
    desk.page.set_viewport_size(WALL["viewport"])
    desk.page.click("#resume")
    expect(wall.page.locator("#state")).to_have_text("Trading")
    new_key = _control(desk, exchange, key)
    _read_everything(desk, exchange, new_key)
    expect(wall.page.locator("#news")).to_contain_text("The bell <i>rings</i>")
    desk.page.click("#stop")
    expect(wall.page.locator("#state")).to_have_text("Stopped")
    report = exchange.url + (desk.page.locator("#report").get_attribute("href") or "")
    exchange.wait_until(lambda: requests.get(report, timeout=20).ok, "all is settled")
    assert phases(exchange)["WEB"] == "settled"
    wall.page.goto(report)
    expect(wall.page.locator("h1")).to_have_text("In the browser")
    expect(wall.page.locator(".podium")).to_contain_text("<i>Bold</i> Birds")
    assert violations(wall.page) == []
    wall.page.screenshot(path=tmp_path / "report.png", full_page=True)
    for visit in (desk, wall):
        visit.check()
    # The team's page still has the key that was replaced.
    phone.check(forgiven=("Failed to load resource: the server responded with a status of 401",))
    for visit in (desk, wall, phone):
        visit.page.context.close()


def _create(desk: Visit, key: str, case: dict[str, Any]) -> str:
    """Sign in at the console, correct a faulty case, create it, and return a link to join."""
    page = desk.page
    page.goto(f"{desk.url}/console")
    page.fill("#key", key)
    page.click("#key-form button")
    expect(page.locator("#competitions li, #none:not(.hidden)").first).to_be_visible()
    if not page.locator("#case").is_visible():  # there are competitions already
        page.click("#new summary")
    page.fill("#case", json.dumps(case | {"scoring": "luck"}))
    page.click("#create")
    expect(page.locator("#case-faults")).to_contain_text("/scoring")
    # The browser itself complains of any answer that is an error.
    desk.complaints.clear()
    page.fill("#case", json.dumps(case))
    page.click("#create")
    expect(page.locator("#chosen-name")).to_have_text(case["name"])
    page.fill("#count", "2")
    page.click("#invite")
    expect(page.locator("#links")).to_have_value(re.compile("/join/"))
    return page.input_value("#links").splitlines()[0]


def _control(desk: Visit, exchange: Exchange, key: str) -> str:
    """Control the round from the console: extend it, stop a client and let it trade again, replace a key, send news.

    Return the new key.
    """
    page = desk.page
    (competition_id,) = re.findall("#(.+)", page.url)

    def found(path: str) -> Any:
        return requests.get(f"{exchange.url}/competitions/{competition_id}{path}", timeout=20).json()

    before = datetime.fromisoformat(found("")["ends_at"])
    page.click("#extend")
    exchange.wait_until(lambda: datetime.fromisoformat(found("")["ends_at"]) == before + timedelta(minutes=1), "later")
    row = page.locator("#teams tr", has_text="<i>Bold</i> Birds")
    row.get_by_role("button", name="Stop").click()
    expect(row.locator("td").nth(8)).to_have_text("stopped")
    expect(page.locator("#notice")).to_contain_text("<i>Bold</i> Birds is stopped")
    (team,) = found("/standings")["data"]
    client = Client(exchange.url, key)
    assert denial(client, limit("WEB", "buy", "1.00", 1)) == "client_stopped"
    expect(row.locator("td").nth(6)).to_have_text(re.compile("[1-9]"))  # the refusal, and the sign of life
    expect(row.locator("td").nth(7)).to_have_text(re.compile(r"^(< 1|\d+) s ago$"))
    row.get_by_role("button", name="Allow trading").click()
    expect(row.locator("td").nth(8)).to_have_text("open")
    row.get_by_role("button", name="New key").click()
    expect(page.locator("#key-title")).to_have_text("The new key of <i>Bold</i> Birds")
    new = page.input_value("#new-key")
    page.get_by_role("button", name="Done").click()

    def whoami(one: str) -> requests.Response:
        headers = {"Authorization": f"Bearer {one}"}
        return requests.get(f"{exchange.url}/whoami", headers=headers, timeout=20)

    assert whoami(new).json()["client_id"] == team["client_id"]
    exchange.wait_until(lambda: whoami(key).status_code == 401, "the old key is revoked")
    page.fill("#headline", "The bell <i>rings</i>")
    page.locator("#news-security").select_option("WEB")
    page.click("#news-form button")
    expect(page.locator("#headline")).to_have_value("")
    return new


def _read_everything(desk: Visit, exchange: Exchange, key: str) -> None:
    """Ask all that can be asked, with the key of a team: nothing says what another account does in the round."""
    (competition_id,) = re.findall("#(.+)", desk.page.url)
    admin = {"Authorization": f"Bearer {exchange.keys['admin']}"}

    def fills() -> list[dict[str, Any]]:
        asked = f"{exchange.url}/fills?security_id=WEB&limit=1"
        found: list[dict[str, Any]] = requests.get(asked, headers=admin, timeout=20).json()["data"]
        return found

    exchange.wait_until(lambda: bool(fills()), "the house bots trade with each other")
    (fill,) = fills()
    values = {"client_id": fill["client_id"], "order_id": fill["order_id"], "security_id": "WEB", "kind": "orders"}
    values["competition_id"] = competition_id
    refused = 0
    for query in ("", f"?client_id={fill['client_id']}"):
        for route, answer in every_read(exchange.url, key, values, query=query):
            refused += not answer.ok
            assert not answer.ok or fill["client_id"] not in answer.text, (route, query)
    assert refused > 20


def _join(phone: Visit, link: str, tmp_path: Path) -> str:
    """Join as a team on a phone, copy the first order, and go on to trade by hand; return the key."""
    page = phone.page
    page.goto(link)
    expect(page.locator("#competition-name")).to_have_text("In the browser")
    page.fill("#team", "<i>Bold</i> Birds")
    page.click("#join-form button")
    expect(page.locator("#joined-team")).to_have_text("<i>Bold</i> Birds")
    expect(page.locator("#curl")).to_contain_text("/orders")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert violations(page) == []
    page.screenshot(path=tmp_path / "join.png", full_page=True)
    key = page.input_value("#key")
    done = subprocess.run(
        ["bash", "-c", page.locator("#curl").inner_text()], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout)["status"] == "success"
    page.click("#trade")
    page.locator("#ticket-who").wait_for()
    assert key not in page.url
    return key

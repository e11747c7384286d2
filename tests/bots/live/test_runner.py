"""A bot waits while the exchange is away, logs that once, and ends only if it can never trade."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from itertools import count
from pathlib import Path
from threading import Thread
from typing import Any

from simple_websocket import ConnectionClosed, Server
from werkzeug import Request, Response
from werkzeug.serving import BaseWSGIServer, make_server

from bots.live import ending
from bots.live.ending import Ending

SECURITIES = '{"data": [{"security_id": "MSFT", "tick": 0.01, "min_price": 0.01, "max_price": 10000.00}]}'
ACCOUNT = """{"client_id": "FLOOD", "balance": 10000.00, "held": 0, "available": 10000.00, "equity": 10000.00,
"holdings": [{"security_id": "MSFT", "shares": 1000, "held": 0, "available": 1000}]}"""
NOTHING_YET = '{"channel":"report","security_id":null,"type":"snapshot","sequence":0,"previous_sequence":0,"data":[]}'
NO_ORDERS = '{"data": [], "next_cursor": null}'
KEY = "flood's"

# How soon a server sees that it is to stop; by default half a second.
STOPS_WITHIN_S = 0.02


class SmallExchange:
    """Serves the part of the contract that a bot needs and accepts every order; can be stopped and started again."""

    def __init__(self) -> None:
        self.orders = 0
        self.ids = count(1)
        self.port = 0
        self.server: BaseWSGIServer | None = None
        self.start()

    def start(self) -> None:
        self.server = make_server("127.0.0.1", self.port, self, threaded=True)
        self.port = self.server.port
        Thread(target=self.server.serve_forever, args=[STOPS_WITHIN_S], daemon=True).start()

    def stop(self) -> None:
        assert self.server is not None
        self.server.shutdown()
        self.server.server_close()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        request = Request(environ)
        if request.path == "/socket.io/":
            self._stream(environ)
            return []
        if request.path == "/securities":
            answer = Response(SECURITIES)
        elif request.headers.get("Authorization") != f"Bearer {KEY}":
            answer = Response('{"status": 401, "code": "unauthorized", "title": "no"}', status=401)
        elif request.path == "/accounts/FLOOD":
            answer = Response(ACCOUNT)
        elif (request.method, request.path) == ("GET", "/orders"):
            answer = Response(NO_ORDERS)
        else:
            assert (request.method, request.path) == ("POST", "/orders")
            self.orders += 1
            answer = Response(f'{{"status": "success", "order_id": {next(self.ids)}}}', status=202)
        return answer(environ, start_response)

    def _stream(self, environ: dict[str, Any]) -> None:
        """Socket.IO as far as it goes: no report ever comes."""
        socket = Server.accept(environ)
        with suppress(ConnectionClosed):
            socket.send('0{"sid":"s"}')
            assert json.loads(socket.receive()[2:]) == {"api_key": KEY}
            socket.send('40{"sid":"s"}')
            while True:
                asked = socket.receive()
                assert asked == '420["subscribe",{"channel":"report"}]'
                socket.send('430[{"status":"success"}]')
                socket.send(f'42["report",{NOTHING_YET}]')


def flood(
    exchange: SmallExchange, log: Path, *options: str, key: str = KEY
) -> AbstractContextManager[subprocess.Popen[bytes]]:
    return bot_of(exchange, log, "flood", "--rate", "20", *options, key=key)


@contextmanager
def bot_of(exchange: SmallExchange, log: Path, *arguments: str, key: str = KEY) -> Iterator[subprocess.Popen[bytes]]:
    url = f"http://127.0.0.1:{exchange.port}"
    with log.open("wb") as lines:
        bot = subprocess.Popen(
            [sys.executable, "-m", "bots", *arguments, "--url", url],
            stderr=lines,
            cwd=Path(__file__).parents[3],
            env={**os.environ, "EXCHANGE_API_KEY": key},
        )
    try:
        yield bot
    finally:
        bot.kill()
        bot.wait()


def wait_for(what: Callable[[], bool], *, seconds: float = 120) -> None:
    deadline_s = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline_s
        time.sleep(0.05)


def test_goes_on_after_the_exchange_was_away(tmp_path: Path) -> None:
    exchange = SmallExchange()
    log = tmp_path / "log"
    with flood(exchange, log) as bot:
        wait_for(lambda: exchange.orders >= 5)

        exchange.stop()
        wait_for(lambda: "exchange_away" in log.read_text())
        exchange.start()
        before = exchange.orders
        wait_for(lambda: exchange.orders >= before + 5)

        bot.send_signal(signal.SIGTERM)
        assert bot.wait(10) == 0
    lines = log.read_text()
    assert lines.count("exchange_away") == 1
    assert lines.count("exchange_back") == 1
    assert "Traceback" not in lines
    exchange.stop()


def test_waits_for_an_exchange_that_starts_later(tmp_path: Path) -> None:
    exchange = SmallExchange()
    exchange.stop()
    log = tmp_path / "log"
    with flood(exchange, log):
        wait_for(lambda: "exchange_away" in log.read_text())
        exchange.start()
        wait_for(lambda: exchange.orders >= 1)
    exchange.stop()


def test_ends_when_its_key_is_refused(tmp_path: Path) -> None:
    exchange = SmallExchange()
    log = tmp_path / "log"
    with flood(exchange, log, key="another's") as bot:
        assert bot.wait(30) == 1
    assert "refuses the key of FLOOD: 401 unauthorized" in log.read_text()
    assert "Traceback" not in log.read_text()
    exchange.stop()


def test_ends_when_its_security_is_not_listed(tmp_path: Path) -> None:
    exchange = SmallExchange()
    log = tmp_path / "log"
    with flood(exchange, log, "--security", "GME") as bot:
        assert bot.wait(30) == 1
    assert "GME is not listed; choose one of MSFT" in log.read_text()
    exchange.stop()


BAD = """
from bots.strategy import Strategy

class Raises(Strategy):
    def interval_s(self):
        return 0.1
    def on_timer(self, now):
        raise ZeroDivisionError("mine")

class Hangs(Strategy):
    def on_start(self):
        self.wait_for_ever()
    def wait_for_ever(self):
        while True:
            pass

class Quiet(Strategy):
    def interval_s(self):
        return 0.1
    def on_timer(self, now):
        self.buy(1, 100)
    def on_stop(self):
        self.log("goodbye", orders=self.session.tally["orders"])
"""


def end_of(tmp_path: Path, name: str, *options: str) -> tuple[int, Ending, str]:
    """Run a bot of BAD; return its exit status, ending and log."""
    exchange = SmallExchange()
    (tmp_path / "bad.py").write_text(BAD)
    log, file = tmp_path / "log", tmp_path / "ending.json"
    arguments = ("run", f"{tmp_path / 'bad.py'}:{name}", "--client-id", "FLOOD", "--ending", str(file), *options)
    with bot_of(exchange, log, *arguments) as bot:
        status = bot.wait(60)
    exchange.stop()
    return status, ending.read(file), log.read_text()


def test_a_bot_that_raises_ends_with_its_traceback(tmp_path: Path) -> None:
    status, ended, log = end_of(tmp_path, "Raises")
    assert status == 3
    assert (ended.outcome, ended.client_id, ended.error) == ("raised", "FLOOD", "ZeroDivisionError: mine")
    assert 'raise ZeroDivisionError("mine")' in ended.traceback
    assert ended.at_s > 0
    assert "strategy_raised" in log


def test_a_bot_that_hangs_is_ended_and_shows_where(tmp_path: Path) -> None:
    status, ended, log = end_of(tmp_path, "Hangs", "--longest-callback-s", "0.5")
    assert status == 4
    assert ended.outcome == "hung"
    assert "wait_for_ever" in ended.traceback
    assert "strategy_hung" in log


def test_a_bot_stops_when_its_time_is_over_and_says_goodbye(tmp_path: Path) -> None:
    status, ended, log = end_of(tmp_path, "Quiet", "--seconds", "2")
    assert status == 0
    assert (ended.outcome, ended.error, ended.traceback) == ("stopped", "", "")
    assert "goodbye orders=" in log

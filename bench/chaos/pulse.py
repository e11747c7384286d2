"""The pulse: orders that pass through every stage to the client's WebSocket and show when the exchange works again.

A beat is one order for each shard, which cannot trade. It has arrived when order execution has closed it, the feed has
stored that, and the stream of reports has delivered it to the client.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Sequence
from typing import Any

import requests
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from websocket import WebSocket, WebSocketException

from db.connect import Database

CLIENT = "CHAOS_PULSE"

_PAUSE_S = 0.1
_LOOK_EVERY_S = 0.05
# After this time a new beat replaces one that has not arrived; it may have been lost before it was accepted [s].
_GIVE_UP_S = 6.0
# After this time without a message the stream is opened again [s].
_SILENCE_S = 3.0


class Pulse(threading.Thread):
    """Beats until `ended`."""

    def __init__(
        self, url: str, key: str, securities: Sequence[str], clearing_data: Database, market_data: Database
    ) -> None:
        """`securities`: one of each shard."""
        super().__init__(name="pulse", daemon=True)
        self._url = url
        self._key = key
        self._securities = securities
        self._clearing_data = clearing_data
        self._market_data = market_data
        self._reported: set[int] = set()
        self.ended = threading.Event()
        self._last_sent_s = 0.0
        self._last_arrived_s = 0.0
        self.beats = 0
        threading.Thread(target=self._listen, daemon=True, name="pulse's stream").start()

    def arrived_after(self, moment_s: float) -> float | None:
        """Return the arrival of the latest beat if it was sent after a moment, else None [s, monotonic]."""
        return self._last_arrived_s if self._last_sent_s > moment_s else None

    def run(self) -> None:
        """Beat."""
        with requests.Session() as session:
            session.trust_env = False
            session.headers["Authorization"] = f"Bearer {self._key}"
            while not self.ended.wait(_PAUSE_S):
                sent_s = time.monotonic()
                if self._beat(session):
                    self._last_arrived_s, self._last_sent_s = time.monotonic(), sent_s
                    self.beats += 1

    def _beat(self, session: requests.Session) -> bool:
        orders: Any = [
            {"type": "limit", "security_id": name, "side": "buy", "quantity": 1, "price": 0.01, "time_in_force": "ioc"}
            for name in self._securities
        ]
        give_up_s = time.monotonic() + _GIVE_UP_S
        try:
            answer = session.post(f"{self._url}/orders", json=orders, timeout=_GIVE_UP_S)
            if answer.status_code != 202:
                return False
            ids = [int(result["order_id"]) for result in answer.json()["results"] if "order_id" in result]
        except (requests.RequestException, ValueError):
            return False
        if len(ids) < len(orders):
            return False
        while not self._has_arrived(ids):
            if time.monotonic() > give_up_s or self.ended.wait(_LOOK_EVERY_S):
                return False
        return True

    def _has_arrived(self, ids: list[int]) -> bool:
        if not self._reported.issuperset(ids):
            return False
        try:
            with self._clearing_data.snapshot() as tx:
                closed = tx.scalar(
                    text("SELECT count(*) FROM orders WHERE order_id = ANY(:ids) AND status = 'cancelled'"),
                    {"ids": ids},
                )
            with self._market_data.snapshot() as tx:
                reported = tx.scalar(
                    text("SELECT count(DISTINCT order_id) FROM reports WHERE order_id = ANY(:ids)"), {"ids": ids}
                )
        except SQLAlchemyError:
            return False
        return closed == reported == len(ids)

    def _listen(self) -> None:
        """Read the stream of reports until `ended`, over a new connection after each fault."""
        address = f"ws{self._url.removeprefix('http')}/stream/report"
        while not self.ended.is_set():
            socket: Any = WebSocket()
            try:
                socket.connect(
                    address,
                    timeout=_SILENCE_S,
                    header=[f"Authorization: Bearer {self._key}"],
                    suppress_origin=True,
                    http_no_proxy=["*"],
                )
                while not self.ended.is_set():
                    report = socket.recv()
                    if not report:
                        break
                    self._reported.add(int(json.loads(report)["order_id"]))
            except (WebSocketException, OSError, ValueError, KeyError):
                self.ended.wait(_PAUSE_S)
            finally:
                socket.shutdown()

"""Strangers: floods of requests without a valid key, and readers of streams that are slow or do not read at all.

Their requests may make others wait, but must never be answered with a 500.
"""

from __future__ import annotations

import random
import socket
import threading
import time
from collections import Counter
from typing import Any

import requests
from websocket import WebSocket, WebSocketException

# Method, path, and whether the request has a wrong key.
_FLOODS = (
    ("GET", "/health/ready", False),
    ("GET", "/leaderboard/history?seconds=86400", False),
    ("GET", "/docs", False),
    ("GET", "/orders", True),
    ("POST", "/orders", True),
)
_FLOODERS = 4
# The duration of a flood, and the pause after it [s].
_FLOOD_S = (1.0, 4.0)
_PAUSE_S = (4.0, 12.0)
_ANSWER_S = 15.0

# The duration of a reader's connection, and a slow reader's pause between two messages [s].
_READS_S = (5.0, 25.0)
_SLOW_S = 0.5
# Small enough for the exchange to notice soon that a client does not read [bytes].
_RECEIVE_BYTES = 4096


class Flood(threading.Thread):
    """Occasionally floods the api without a valid key, until `ended`."""

    def __init__(self, url: str, *, seed: int) -> None:
        super().__init__(name="flood", daemon=True)
        self._url = url
        self._rng = random.Random(f"flood:{seed}")
        self._lock = threading.Lock()
        self.answers: Counter[str] = Counter()
        self.ended = threading.Event()

    def run(self) -> None:
        """Flood, pause, flood."""
        while not self.ended.wait(self._rng.uniform(*_PAUSE_S)):
            method, path, wrong_key = self._rng.choice(_FLOODS)
            until_s = time.monotonic() + self._rng.uniform(*_FLOOD_S)
            flooders = [
                threading.Thread(target=self._ask, args=(method, path, wrong_key, number, until_s), daemon=True)
                for number in range(_FLOODERS)
            ]
            for flooder in flooders:
                flooder.start()
            for flooder in flooders:
                flooder.join()

    def _ask(self, method: str, path: str, wrong_key: bool, number: int, until_s: float) -> None:
        asked = 0
        with requests.Session() as session:
            session.trust_env = False
            while time.monotonic() < until_s and not self.ended.is_set():
                asked += 1
                # A new key each time, because the api remembers the last ones.
                head = {"Authorization": f"Bearer sx_{number:02}{asked:030x}"} if wrong_key else {}
                try:
                    answer = session.request(method, self._url + path, json=[], headers=head, timeout=_ANSWER_S)
                    said = str(answer.status_code)
                except requests.RequestException as fault:
                    said = type(fault).__name__
                with self._lock:
                    self.answers[said] += 1

    def wrong_answers(self) -> list[str]:
        """Describe the answers that the exchange must never give."""
        return [
            f"{count} x {said} to requests without a valid key"
            for said, count in self.answers.items()
            if said == "500" or (said.startswith("20") and said != "200")
        ]


class Reader(threading.Thread):
    """Opens a stream repeatedly, and reads it slowly or not at all, until `ended`."""

    def __init__(self, url: str, path: str, key: str | None, *, seed: int, stalls: bool) -> None:
        super().__init__(name=f"{'stalled' if stalls else 'slow'} reader of {path}", daemon=True)
        self._address = f"ws{url.removeprefix('http')}{path}"
        self._header = [f"Authorization: Bearer {key}"] if key else []
        self._rng = random.Random(f"reader:{seed}:{path}:{stalls}")
        self._stalls = stalls
        self.messages = 0
        self.ended = threading.Event()

    def run(self) -> None:
        """Read the stream over one connection after another."""
        while not self.ended.is_set():
            stream: Any = WebSocket(sockopt=[(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BYTES)])
            try:
                stream.connect(self._address, timeout=5, header=self._header, suppress_origin=True, http_no_proxy=["*"])
                self._read(stream, time.monotonic() + self._rng.uniform(*_READS_S))
            except (WebSocketException, OSError):
                self.ended.wait(_SLOW_S)
            finally:
                stream.shutdown()

    def _read(self, stream: Any, until_s: float) -> None:
        while time.monotonic() < until_s and not self.ended.wait(_SLOW_S):
            if not self._stalls:
                stream.recv()
                self.messages += 1

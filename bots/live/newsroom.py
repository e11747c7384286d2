"""`python -m bots newsroom`: publishes the news that moves the hidden values, with the admin's key.

The items and their times follow from the seed of the hidden values, so a restart publishes nothing twice. News that was
due while the exchange or this process was away is skipped, because old news is of no use.
"""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import time
from collections.abc import Sequence
from threading import Event

from bots.client import Client
from bots.errors import ExchangeError
from bots.live.access import ADMIN_ENTRY, CannotTrade, add_keys_file, add_url, key_of
from bots.live.command import PATIENCE_S, TIMEOUT_S, log_as
from bots.live.crew import Market
from bots.live.ending import STATUS

log = logging.getLogger(__name__)


def parser() -> argparse.ArgumentParser:
    """Make the command line."""
    shown = argparse.ArgumentParser(prog="python -m bots newsroom", description="Publish the news of the market.")
    add_url(shown)
    add_keys_file(shown, keys="the admin's key, next to values.json")
    return shown


def main(arguments: Sequence[str]) -> int:
    """Publish until stopped; exit status 1 if it cannot start."""
    options = parser().parse_args(arguments)
    try:
        key = key_of(options.keys_file, ADMIN_ENTRY)
        market = Market.read(options.keys_file)
    except CannotTrade as fault:
        print(f"python -m bots: {fault}", file=sys.stderr)
        return STATUS["refused"]
    log_as("NEWSROOM")
    done = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: done.set())
    publish(market, Client(options.url, key, patience_s=PATIENCE_S, timeout_s=TIMEOUT_S), done)
    return STATUS["stopped"]


def publish(market: Market, client: Client, done: Event) -> None:
    """Publish each item of news when it is due, until `done`."""
    every_s = market.values.news_every_s
    if not every_s:
        done.wait()
        return
    slot = int(max(time.time() - market.began_s, 0.0) // every_s)
    while not done.is_set():
        item = market.values.news(slot)
        slot += 1
        wait_s = market.began_s + item.at_s - time.time()
        if wait_s < 0 or done.wait(wait_s):
            continue
        try:
            client.publish_news(item.headline, security_id=item.security_id)
        except ExchangeError as failure:
            log.warning("news_not_published headline=%r reason=%r", item.headline, str(failure))
        else:
            log.info("news_published headline=%r", item.headline)

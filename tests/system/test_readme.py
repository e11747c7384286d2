"""The commands of README do what README says, and the examples of the contract match the messages."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import requests
from websocket import create_connection

from db.connect import Database
from deploy.local import environment_file
from tests.support.databases import renew_clearing_data, renew_market_data
from tests.support.exchange import ROOT, Exchange, running_exchange
from tests.support.streams import SocketIOClient, read, wait_until

README = (ROOT / "README.md").read_text()
CONTRACT = (ROOT / "docs" / "api.md").read_text()


@pytest.fixture(scope="module")
def exchange(_databases: tuple[Database, Database]) -> Iterator[Exchange]:
    """Run one exchange for all tests of this module, which are independent of each other."""
    renew_clearing_data(_databases[0])
    renew_market_data(_databases[1])
    with running_exchange(without=["referee"]) as running:
        yield running


def commands_of(heading: str) -> list[str]:
    """Return the shell blocks under a heading of README."""
    section = README.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    return re.findall(r"```sh\n(.*?)```", section, re.DOTALL)


def located(exchange: Exchange, commands: str) -> str:
    """Adapt commands of README to the address and folder of this exchange."""
    return (
        commands.replace("http://127.0.0.1:8000", exchange.url)
        .replace(".run/", f"{exchange.instance.directory}/")
        .replace(".venv/bin/", f"{Path(sys.executable).parent}/")
    )


def run(exchange: Exchange, commands: str) -> str:
    """Run commands of README, and return their output."""
    shell = ["bash", "-euo", "pipefail", "-c", located(exchange, commands)]
    return subprocess.run(shell, cwd=ROOT, check=True, capture_output=True, text=True, timeout=60).stdout


def documents(output: str) -> list[dict[str, Any]]:
    """Return the JSON objects in an output, one behind the other."""
    found, decoder = [], json.JSONDecoder()
    while output := output.strip():
        document, end = decoder.raw_decode(output)
        found.append(document)
        output = output[end:]
    return found


def test_an_order_is_placed_as_readme_says(exchange: Exchange) -> None:
    place, look = commands_of("Place an order")
    key = place.splitlines()[0]
    placed = [documents(run(exchange, f"{place}\n{look}")) for _ in range(2)]  # pasted twice
    for answer, order, _ in placed:
        assert (answer["status"], order["order_id"], order["price"]) == ("success", answer["order_id"], 100.12)
    (first, *_), (answer, *_) = placed
    assert first["order_id"] < answer["order_id"]
    look = f"{key}\nORDER='{json.dumps(answer)}'\n{look}"
    exchange.wait_until(lambda: '"new"' in run(exchange, look), "the order is in the book")
    _, balance = documents(run(exchange, look))
    assert (balance["balance"], balance["held"]) == (10_000.0, 2_002.4)


def test_a_worker_is_added_by_hand_as_readme_says(exchange: Exchange) -> None:
    _, by_hand = commands_of("Scale a queue")[0].strip().splitlines()
    environment_file.write(exchange.instance, exchange.environment)
    shell = ["bash", "-c", located(exchange, by_hand).strip("()").replace("&& ", "&& exec ")]
    with subprocess.Popen(shell, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as worker:
        assert worker.stdout
        try:
            assert any(re.search(r"order_entry-\d+@\S+ ready", line) for line in worker.stdout)
        finally:
            worker.terminate()
        worker.communicate(timeout=30)


def test_the_examples_of_the_contract_match_the_messages(exchange: Exchange) -> None:
    """The test sends the order in docs/api.md verbatim, and compares its results with the other examples."""
    blocks = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", CONTRACT, re.DOTALL)]
    order, accepted, mass_cancelled, life, price, report, book, pipeline = blocks
    single = {"Authorization": f"Bearer {exchange.keys['SINGLE']}"}
    flood = {"Authorization": f"Bearer {exchange.keys['FLOOD']}"}
    stream = exchange.url.replace("http", "ws") + "/stream"
    security = order["security_id"]
    with (
        closing(create_connection(f"{stream}/report", header=single, timeout=20)) as reports,
        closing(create_connection(f"{stream}/price?security_id={security}", timeout=20)) as prices,
        closing(SocketIOClient(exchange.url, None, ("websocket",))) as books,
    ):
        books.ask("subscribe", {"channel": "book", "security_id": security})
        books.ask("subscribe", {"channel": "pipeline"})
        submitted = requests.post(f"{exchange.url}/orders", json=order, headers=single, timeout=20)
        assert submitted.status_code == 202
        assert submitted.json() == accepted | {"order_id": submitted.json()["order_id"]}
        ask = order | {"side": "sell", "price": order["price"] + 1}
        for other in (ask, ask | {"price": order["price"], "quantity": order["quantity"] - 1}):
            other.pop("client_order_id")
            assert requests.post(f"{exchange.url}/orders", json=other, headers=flood, timeout=20).status_code == 202
        traded = next(
            event for event in iter(lambda: read(reports), None) if event["event_type"] == report["event_type"]
        )
        assert list(traded) == list(report)
        assert list(read(prices)) == list(price)
        update = _first_update(books, "book")
        assert (list(update), list(update["data"])) == (list(book), list(book["data"]))
        event = _first_update(books, "pipeline")["data"]
        assert list(event) == list(pipeline)
        assert list(event["queues"][0]) == list(pipeline["queues"][0])
        path = f"/orders/{security}/{submitted.json()['order_id']}/life"
        lived = requests.get(f"{exchange.url}{path}", headers=single, timeout=20).json()
        assert (list(lived), list(lived["spans"][0])) == (list(life), list(life["spans"][0]))
        filters = {"security_id": security, "side": order["side"]}
        cancelled = requests.delete(f"{exchange.url}/orders", params=filters, headers=single, timeout=20)
        assert cancelled.status_code == 202
        assert cancelled.json() == mass_cancelled | {"command_ids": cancelled.json()["command_ids"]}


def _first_update(client: SocketIOClient, channel: str) -> dict[str, Any]:
    """Return the first update of a channel, after any number of snapshots."""
    wait_until(lambda: any(event["type"] == "update" for event in client.of(channel)))
    return next(event for event in client.of(channel) if event["type"] == "update")


def test_the_contract_names_every_route_and_no_other(exchange: Exchange) -> None:
    named = set(re.findall(r"(GET|POST|PUT|PATCH|DELETE) (/[\w/{}.-]*)", CONTRACT))
    paths = requests.get(f"{exchange.url}/openapi.json", timeout=20).json()["paths"]
    served = {(method.upper(), path) for path, methods in paths.items() for method in methods}
    assert {(method, re.sub(r"\{\w+\}|\d+|MSFT", "{}", path)) for method, path in named} | {("GET", "/")} == {
        (method, re.sub(r"\{\w+\}", "{}", path)) for method, path in served
    }

"""What README tells a newcomer to type does what README says."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

from deploy.local import environment_file
from tests.support.exchange import ROOT, Exchange

README = (ROOT / "README.md").read_text()
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def commands_of(heading: str) -> list[str]:
    """The shell blocks under a heading of README."""
    section = README.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    return re.findall(r"```sh\n(.*?)```", section, re.DOTALL)


def located(exchange: Exchange, commands: str) -> str:
    """Commands of README for an exchange that is not at the address and in the folder that README names."""
    return (
        commands.replace("http://127.0.0.1:8000", exchange.url)
        .replace(".run/", f"{exchange.instance.directory}/")
        .replace(".venv/bin/", f"{Path(sys.executable).parent}/")
    )


def run(exchange: Exchange, commands: str) -> str:
    """What commands of README print."""
    shell = ["bash", "-euo", "pipefail", "-c", located(exchange, commands)]
    return subprocess.run(shell, cwd=ROOT, check=True, capture_output=True, text=True, timeout=60).stdout


def test_an_order_is_placed_as_readme_says(exchange: Exchange) -> None:
    place, look = commands_of("Place an order")
    key = place.splitlines()[0]
    answer = json.loads(run(exchange, place))
    assert answer["status"] == "success"
    order_id = answer["order_id"]
    look = f"{key}\n{look}".replace("/17 ", f"/{order_id} ")
    exchange.wait_until(lambda: '"new"' in run(exchange, look), "the order is in the book")
    order, balance = map(json.loads, run(exchange, look.replace('KEY"\n', 'KEY"; echo\n')).split("\n")[:2])
    assert (order["order_id"], order["status"], order["price"]) == (order_id, "new", 100.12)
    assert (balance["balance"], balance["held"]) == (10_000.0, 1_001.2)


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


def test_every_make_command_in_the_documents_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for document in DOCUMENTS:
        for command in re.findall(r"`make ([a-z-]+)", document.read_text()) + re.findall(
            r"^make ([a-z-]+)", document.read_text(), re.MULTILINE
        ):
            assert command in targets, f"{document.name} speaks of `make {command}`"


def test_every_path_in_the_documents_exists() -> None:
    for document in DOCUMENTS:
        for path in re.findall(
            r"`((?:celery_app|tasks|db|api|bots|deploy|bench|tests)/[\w/.-]*)`", document.read_text()
        ):
            assert (ROOT / path).exists(), f"{document.name} speaks of {path}"
        for link in re.findall(r"\]\((?!http)([^)#]+)\)", document.read_text()):
            assert (document.parent / link).exists(), f"{document.name} links to {link}"

"""`python -m bench.competition`: rehearse a competition on an exchange of its own. Exit status 1 reports findings.

Teams join in the browser and trade over HTTP; processes are killed with SIGKILL in the first round; the cost of the
referee and of the pages is measured in the second; finally the standings are recounted and the exchange is audited.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import requests
from sqlalchemy import text

from bench.browser import running_browser
from bench.competition.desk import Desk
from bench.competition.teams import Asleep, Crashing, Flooding, Team, WrongClock
from bench.target.accounts import admin_key_of
from bench.target.cpu import CpuMeter
from bench.target.exchange import Exchange
from bench.target.own import OwnExchange, own_exchange
from db.connect import Database
from deploy.local.failure import Failure
from deploy.local.places import ROOT, Instance

FOLDER = ROOT / ".run-competition"
CASE = "news"
# The processes that are killed, at these fractions of the first round.
KILLED = ("api", "referee", "order_execution", "matching.0")
PATIENCE_S = 300.0
_AUCTION_S, _BREAK_S = 5, 5
# The round in which costs are measured is cut into parts, with the pages open and closed in turn.
_PARTS = 4


def main(arguments: Sequence[str] | None = None) -> int:
    """Rehearse a competition; print what was found."""
    command = argparse.ArgumentParser(prog="python -m bench.competition", description=__doc__)
    command.add_argument("--teams", type=int, default=40, metavar="N", help="default: %(default)s")
    command.add_argument("--minutes", type=float, default=5.0, help="of a round (default: %(default)s)")
    command.add_argument("--pace", type=float, default=1.0, help="seconds between orders of a team")
    command.add_argument("--folder", type=Path, default=FOLDER, help="of the exchange, its logs and the pictures")
    options = command.parse_args(arguments)
    instance = Instance(options.folder.resolve())
    pictures = instance.folder("pictures")
    try:
        with own_exchange(instance) as own, running_browser() as browser:
            rehearsal = Rehearsal(
                own, Desk(browser, own.url, pictures), options.teams, minutes=options.minutes, pace_s=options.pace
            )
            rehearsal.run()
    except Failure as failure:
        _say(f"python -m bench.competition: {failure}")
        return 2
    for line in rehearsal.lines:
        print(line)
    for finding in rehearsal.findings:
        print(f"FINDING: {finding}")
    return 1 if rehearsal.findings else 0


class Rehearsal:
    """A competition, with what it showed and what was wrong."""

    def __init__(self, own: OwnExchange, desk: Desk, teams: int, *, minutes: float, pace_s: float) -> None:
        self._own = own
        self._desk = desk
        self._count = teams
        self._round_s = minutes * 60
        self._pace_s = pace_s
        self._teams: list[Team] = []
        self._seen = ""
        self.lines: list[str] = []
        self.findings: list[str] = []
        self._clearing_data, self._market_data = (
            Database(url.get_secret_value(), application_name="bench")
            for url in (own.settings.clearing_data_url, own.settings.market_data_url)
        )

    def run(self) -> None:
        """Rehearse."""
        self._register()
        _say(f"{len(self._teams)} teams have joined; starting")
        self._desk.start()
        for team in self._teams:
            team.start()
        self._wait("trading round 1")
        killer = threading.Thread(target=self._kill, daemon=True)
        killer.start()
        self._wait_during(killer)
        self._wait("trading round 2")
        self._measure()
        self._desk.picture(self._desk.console, "console")
        self._desk.picture(self._desk.wall, "projector")
        self._wait("finished")
        for team in self._teams:
            team.join()
        self._desk.picture(self._desk.report(), "report", full=True)
        self._desk.picture(self._desk.replay(), "replay")
        self._judge()

    def _register(self) -> None:
        key = admin_key_of(self._own.instance.directory)
        news = [
            {"at": self._round_s * 0.3, "headline": "ALPHA wins a large order", "security_id": "ALPHA", "change": 0.06},
            {"at": self._round_s * 0.6, "headline": "BETA recalls a product", "security_id": "BETA", "change": -0.08},
        ]
        changes = {
            "name": "Rehearsal", "rounds": 2, "round_seconds": self._round_s, "break_seconds": _BREAK_S,
            "auction_seconds": _AUCTION_S, "max_teams": self._count, "news": news,
            "limits": {"max_order_quantity": 500, "max_position": 2000, "orders_per_s": 5},
        }  # fmt: skip
        links = self._desk.create(key, CASE, changes, invitations=self._count)
        kinds: list[type[Team]] = [Asleep, Asleep, Flooding, Crashing, WrongClock]
        kinds += [Team] * (self._count - len(kinds))
        for place, (kind, link) in enumerate(zip(kinds, links, strict=True), start=1):
            name = f"{kind.__name__} {place}"
            client_id, key = self._desk.join(link, name)
            self._teams.append(kind(self._own.url, name, client_id, key, pace_s=self._pace_s, seed=place))
        self._desk.picture(self._desk.phone, "invitation", full=True)
        self._desk.show()

    # -- the course -------------------------------------------------------------------------------------------------

    def _wait(self, state: str) -> None:
        """Wait until the console shows a state."""
        deadline_s = time.monotonic() + self._round_s + PATIENCE_S
        while not self._look().startswith(state):
            if time.monotonic() > deadline_s:
                raise Failure(f"the console does not come to {state!r}: it says {self._seen!r}")
            self._desk.console.wait_for_timeout(200)

    def _wait_during(self, thread: threading.Thread) -> None:
        """Show the pages until a thread has ended."""
        while thread.is_alive():
            self._look()
            self._desk.console.wait_for_timeout(500)

    def _look(self) -> str:
        found = self._desk.state()
        if found != self._seen:
            _say(f"console: {found}")
        self._seen = found
        return found

    def _kill(self) -> None:
        """Kill processes one after the other, and measure the time until each works again."""
        for name in KILLED:
            time.sleep(self._round_s / (len(KILLED) + 2))
            before = self._pid(name)
            os.kill(before, signal.SIGKILL)
            began_s, killed_us = time.monotonic(), time.time_ns() // 1_000
            while not self._is_back(name, before, killed_us):
                if time.monotonic() - began_s > PATIENCE_S:
                    self.findings.append(f"{name} is not back after {PATIENCE_S:.0f} s")
                    break
                time.sleep(0.05)
            self.lines.append(f"{name + ' killed -9':34} back after {time.monotonic() - began_s:.1f} s")
            _say(self.lines[-1])

    def _pid(self, name: str) -> int:
        return next(one.pid for one in self._own.supervisor.states() if one.name == name)

    def _is_back(self, name: str, before: int, killed_us: int) -> bool:
        """Return whether a process works again: the api answers that all stages are ready, the referee samples."""
        if self._pid(name) in (0, before):
            return False
        if name == "referee":
            return self._samples_after(killed_us)
        try:
            return requests.get(f"{self._own.url}/health/ready", timeout=5).ok
        except requests.RequestException:
            return False

    def _samples_after(self, time_us: int) -> bool:
        with self._clearing_data.transaction() as tx:
            last = tx.execute(text("SELECT max(sampled_us) FROM competition_samples")).scalar_one()
        return last is not None and last > time_us

    def _measure(self) -> None:
        """Measure the CPU time of the referee, and that of the api with the pages open and closed."""
        settings = self._own.settings
        measured = Exchange(
            self._own.url, {}, self._clearing_data, self._market_data, settings.broker_url.get_secret_value(),
            settings.redis_url.get_secret_value(), settings.run_directory.resolve(),
        )  # fmt: skip
        used: dict[bool, dict[str, float]] = {True: {}, False: {}}
        seconds = {True: 0.0, False: 0.0}
        address, asked = "", 0
        for part in range(_PARTS):
            opened = part % 2 == 0
            if opened and address:
                self._desk.come_back(address)
            elif not opened:
                address = self._desk.leave()
            before, began_s, meter = self._desk.requests, time.monotonic(), CpuMeter(measured)
            self._desk.console.wait_for_timeout(self._round_s * 1000 / (_PARTS + 2))
            for name, cpu_s in meter.used_s().items():
                used[opened][name] = used[opened].get(name, 0.0) + cpu_s
            seconds[opened] += time.monotonic() - began_s
            asked += self._desk.requests - before
        self._desk.come_back(address)
        self._desk.console.wait_for_timeout(3_000)
        self._report_costs(used, seconds, asked)

    def _report_costs(self, used: dict[bool, dict[str, float]], seconds: dict[bool, float], asked: int) -> None:
        def of(name: str, opened: bool) -> float:
            return 1000 * used[opened].get(name, 0.0) / seconds[opened]

        all_s = sum(seconds.values())
        for name in ("referee", "postgres for referee"):
            cpu_ms = 1000 * sum(used[opened].get(name, 0.0) for opened in used) / all_s
            self.lines.append(f"{name:34} {cpu_ms:.1f} ms of CPU a second")
        for name in ("api", "postgres for api"):
            self.lines.append(
                f"{name:34} {of(name, True):.0f} ms of CPU a second with console and projector open, "
                f"{of(name, False):.0f} ms without"
            )
        self.lines.append(f"{'requests of the two pages':34} {asked / seconds[True]:.1f} a second")

    # -- what it led to ---------------------------------------------------------------------------------------------

    def _judge(self) -> None:
        place = f"{self._own.url}/competitions/{self._desk.competition_id}"
        rows = requests.get(f"{place}/standings", timeout=30).json()["data"]
        by_name = {row["team"]: row for row in rows}
        if by_name.keys() != {team.name for team in self._teams}:
            self.findings.append("the standings do not have exactly the teams")
        for team in self._teams:
            if isinstance(team, Asleep) and by_name[team.name]["gain"] != 0:
                self.findings.append(f"{team.name} did nothing and gained {by_name[team.name]['gain']}")
            self.findings += team.unusual()
        self._judge_orders(place)
        recount = _run("bots", "verify", place)
        self._report("recount", recount, ok=recount.returncode == 0)
        audit = _run("tasks.audit", "--json")
        passed = audit.returncode == 0 and json.loads(audit.stdout)["passed"]
        self._report("audit", audit, ok=passed, said="passes" if passed else audit.stdout[-2000:])
        answers: dict[str, int] = {}
        for team in self._teams:
            for status, count in team.answers.items():
                answers[str(status)] = answers.get(str(status), 0) + count
        self.lines.append(f"{'answers':34} {dict(sorted(answers.items()))}")
        gains = sum(Decimal(str(row["gain"])) for row in rows)
        self.lines.append(f"{'gains of the teams':34} {gains:,.2f} in all; best: {rows[0]['team']}")

    def _judge_orders(self, place: str) -> None:
        kept = csv.DictReader(io.StringIO(requests.get(f"{place}/data/orders.csv", timeout=60).text))
        ids = {int(row["order_id"]) for row in kept}
        accepted = 0
        for team in self._teams:
            accepted += len(team.accepted)
            if lost := team.accepted - ids:
                self.findings.append(
                    f"{team.name}: {len(lost)} accepted orders are not in the log, such as {min(lost)}"
                )
        self.lines.append(f"{'orders':34} {len(ids):,} in the log, {accepted:,} of the teams accepted, none lost")

    def _report(self, name: str, done: subprocess.CompletedProcess[str], *, ok: bool, said: str = "") -> None:
        text = said or (done.stdout if ok else done.stderr).strip()
        self.lines.append(f"{name:34} {text}")
        if not ok:
            self.findings.append(f"{name}: {text[-2000:]}")


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False)


def _say(line: str) -> None:
    print(f"{time.strftime('%H:%M:%S')}  {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())

"""`make up`: starts everything and returns when it is ready. Processes that need no change keep running."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence

from celery_app.settings import Settings, read_settings
from deploy import broker_users, database_users, flower, market_file
from deploy.local import environment_file, exchange, growth, public, ready
from deploy.local.addresses import DATABASE_URLS, FLOWER_BROKER_API, SERVICE_URLS
from deploy.local.failure import Failure, ending
from deploy.local.lock import alone
from deploy.local.places import EXCHANGE, VENV_PYTHON
from deploy.local.ports import LOOPBACK, is_free
from deploy.local.programs import BOT, SCHEDULER, WEB, WORKER, Program
from deploy.local.services import answers, own
from deploy.local.steps import step
from deploy.local.supervisor import Supervisor
from deploy.local.variables import Variables, from_environment
from deploy.market_file import MarketFile

_LEAST_FREE_BYTES = 1 << 30


def main() -> int:
    """Start everything that does not run; exit status 1 and one sentence if that fails."""
    market = _market()
    variables, door = from_environment(os.environ, market=market), public.from_environment(os.environ)
    require_space()
    with alone(EXCHANGE):
        _bring_up(variables, door, market)
    return 0


def _market() -> MarketFile:
    """Return the file of the market, which the processes find wherever they run.

    raises  Failure  it does not describe one
    """
    file = read_settings().market.resolve()
    try:
        market = market_file.read(file)
    except market_file.MarketFileError as fault:
        raise Failure(str(fault)) from fault
    os.environ["MARKET"] = str(file)
    return market


def require_space() -> None:
    """Check that the stores have room to grow.

    raises  Failure  the disk is almost full
    """
    EXCHANGE.directory.mkdir(exist_ok=True)
    free = shutil.disk_usage(EXCHANGE.directory).free
    if free < _LEAST_FREE_BYTES:
        raise Failure(f"the disk of {EXCHANGE.directory} has only {free >> 20} MB left: make room for at least 1 GB")


def _bring_up(variables: Variables, door: public.PublicDoor | None, market: MarketFile) -> None:
    EXCHANGE.folder("logs")
    supervisor = Supervisor(EXCHANGE)
    was_up = supervisor.runs()
    if not was_up:
        shutil.rmtree(EXCHANGE.directory / "alive", ignore_errors=True)  # left over from earlier workers
    wanted = sorted({service for variable, service in SERVICE_URLS.items() if variable not in variables.given})
    services = own.prepare(EXCHANGE, wanted, running=was_up, defined=True)
    environment = exchange.environment(os.environ, {**services.urls, **variables.given}, EXCHANGE)
    if door is not None:
        # Only Caddy may name the address of a client.
        environment.setdefault("TRUSTED_PROXIES", LOOPBACK)
    os.environ.update(environment)
    s = read_settings()  # read again, now with the addresses of the services
    if fault := flower.refusal(s):
        raise Failure(fault)
    _require_ports(supervisor if was_up else None, s, door)

    url = f"http://{_reachable(s.api_host)}:{s.api_port}"
    flower_url = f"http://{_reachable(s.flower_address)}:{s.flower_port}"
    roles = _roles(services.roles, environment)
    # If the caller sets the address of a database, all processes are its user.
    passwords = {} if DATABASE_URLS & variables.given.keys() else services.users
    users = {user: database_users.urls_of(user, environment, password) for user, password in passwords.items()}
    processes = exchange.programs(
        variables,
        environment,
        shards=s.shards,
        flower_port=s.flower_port,
        url=url,
        roles=roles,
        users=users,
    )
    if door is not None:
        processes.append(door.program(EXCHANGE, upstream=url.removeprefix("http://"), max_body_bytes=s.max_body_bytes))
    supervisor.load([*services.all_programs, *processes])
    _start_services(supervisor, services, variables, wanted)
    with step("databases, initial data, keys, users"):
        made = {"DATABASE_USERS": json.dumps(passwords)} if passwords else {}
        _migrate(environment | _users(services.roles, environment) | made, bots=os.environ.get("BOTS", ""))
    environment_file.write(EXCHANGE, environment)
    _start_processes(supervisor, processes, url=url, flower_url=flower_url)
    if market.day is None:
        with step("first auction"):
            ready.wait_for_trading(s, seconds=market.first_auction + 120)
    growth.take_sample(EXCHANGE, s)
    print(_addresses(url, flower_url, door))


def _roles(passwords: Mapping[str, str], environment: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Return the variables with which the processes of each role connect to RabbitMQ, as the role's own user."""
    roles = {
        role: {"BROKER_URL": broker_users.url_of(role, environment["BROKER_URL"], password), "BROKER_ROLE": role}
        for role, password in passwords.items()
    }
    if roles:
        management = environment[FLOWER_BROKER_API]
        roles["flower"][FLOWER_BROKER_API] = broker_users.url_of("flower", management, passwords["flower"])
    return roles


def _users(passwords: Mapping[str, str], environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables with which `deploy.migrate` makes the users of the roles."""
    if not passwords:
        return {}
    management = environment[FLOWER_BROKER_API]
    return {"BROKER_MANAGEMENT_URL": management, "BROKER_USERS": json.dumps(dict(passwords))}


def _require_ports(running: Supervisor | None, s: Settings, door: public.PublicDoor | None) -> None:
    """Check that the public ports are free, or already ours.

    running  the supervisor, if it runs
    raises   Failure  another program has a port
    """
    before = environment_file.read(EXCHANGE) if running else {}
    up = {state.name for state in running.states() if state.state == "RUNNING"} if running else set()
    taken: dict[str, int] = {}
    for name, host, port, variable in (
        ("api", s.api_host, s.api_port, "API_PORT"),
        ("flower", s.flower_address, s.flower_port, "FLOWER_PORT"),
    ):
        is_ours = name in up and int(before.get(variable, Settings.model_fields[variable.lower()].default)) == port
        if not is_ours and not is_free(port, host):
            taken[variable] = port
    if taken:
        raise Failure(_other_ports(taken, s))
    if door is not None and public.PROGRAM not in up:
        door.require_ports()


def _other_ports(taken: Mapping[str, int], s: Settings) -> str:
    """Return what to do about ports of other programs, by variable: one command with ports that are free now."""
    hosts = {"API_PORT": s.api_host, "FLOWER_PORT": s.flower_address}
    free: dict[str, int] = {}
    for variable, port in taken.items():
        used = {s.api_port, s.flower_port, *free.values()}
        candidates = (*range(port + 1, 65_536), *range(1_024, port))
        free[variable] = next(other for other in candidates if other not in used and is_free(other, hosts[variable]))
    numbers = " and ".join(map(str, taken.values()))
    what, others = (f"ports {numbers} are", "others") if len(taken) > 1 else (f"port {numbers} is", "another one")
    command = " ".join(f"{variable}={port}" for variable, port in free.items())
    return (
        f"{what} in use by another program, perhaps by another exchange: end that, or choose {others} "
        f"with `make up {command}`"
    )


def _start_services(
    supervisor: Supervisor, services: own.Services, variables: Variables, wanted: Sequence[str]
) -> None:
    programs = services.all_programs
    names = [program.name for program in programs]
    supervisor.apply(names)
    supervisor.start(programs)
    for service in wanted:
        with step(service):
            answers.wait(service, services.url_of(service), still_up=lambda: supervisor.require(names))
    for variable, url in variables.given.items():
        answers.require(variable, url)


def _migrate(environment: Mapping[str, str], *, bots: str) -> None:
    done = subprocess.run(
        [VENV_PYTHON, "-m", "deploy.migrate", "--bots", bots],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise Failure(done.stderr.strip().splitlines()[-1])


def _start_processes(supervisor: Supervisor, programs: Sequence[Program], *, url: str, flower_url: str) -> None:
    """Start workers, api and streams at once, and bots and scheduler when the api is ready."""
    by_rank = {
        rank: [program for program in programs if program.rank == rank] for rank in (WORKER, WEB, BOT, SCHEDULER)
    }
    names = {rank: [program.name for program in some] for rank, some in by_rank.items()}
    supervisor.apply(None)
    supervisor.start([*by_rank[WORKER], *by_rank[WEB]])
    with step(f"workers: {' '.join(names[WORKER])}"):
        ready.wait_for_workers(EXCHANGE, supervisor, names[WORKER])
    with step("api and streams"):
        webs = [name for name in names[WEB] if name.startswith(("api", "streams"))]
        supervisor.wait_until_up(webs)
        ready.wait_for_api(url, still_up=lambda: supervisor.require([*names[WORKER], *webs]))
    if public.PROGRAM in names[WEB]:
        with step("Caddy"):
            supervisor.wait_until_up([public.PROGRAM])
    with step("Flower"):
        ready.wait_for_flower(flower_url, still_up=lambda: supervisor.require(["flower"]))
    if by_rank[BOT]:
        supervisor.start(by_rank[BOT])
        with step(f"bots: {' '.join(names[BOT])}"):
            supervisor.wait_until_up(names[BOT])
    supervisor.start(by_rank[SCHEDULER])
    with step("scheduler and referee"):
        ready.wait_for_workers(EXCHANGE, supervisor, names[SCHEDULER])


def _reachable(host: str) -> str:
    """Return an address at which a server that listens on a host can be reached."""
    return LOOPBACK if host in {"0.0.0.0", "::"} else host  # noqa: S104  # nothing listens there because of this


def _addresses(url: str, flower_url: str, door: public.PublicDoor | None) -> str:
    from_outside = f"\nfrom outside   {door.url}        see docs/internet.md" if door is not None else ""
    return f"""
the exchange   {url}        an order book: {url}/book/MSFT{from_outside}
Flower         {flower_url}
keys           {EXCHANGE.directory / "keys.json"}        the account SINGLE is yours
next           try make status, make logs, make audit; make down stops it"""


if __name__ == "__main__":
    raise SystemExit(
        ending(main, left_by_interrupt=": what has started keeps running; `make down` stops it, `make up` continues")
    )

"""The exchange under measurement: its address, the keys of the benchmark's clients, its databases and services."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from bench.load.generator import Plan
from bench.target.accounts import NAMES, admin_key_of, open_accounts
from celery_app.settings import Settings
from db.connect import Database


@dataclass(frozen=True, slots=True)
class Exchange:
    """A running exchange under measurement."""

    url: str
    client_keys: dict[str, str]  # of the benchmark's clients
    clearing_data: Database
    market_data: Database
    broker_url: str
    redis_url: str
    run_directory: Path

    @property
    def admin_key(self) -> str:
        """The key of the exchange's administrator."""
        return admin_key_of(self.run_directory)

    def plan(
        self,
        *,
        connections: int,
        array_size: int,
        seconds: float,
        seed: int,
        rate: float | None = None,
        cancels: int = 0,
    ) -> Plan:
        """Return a plan of load on this exchange from all clients of the flow."""
        address = urlsplit(self.url)
        return Plan(
            host=address.hostname or "127.0.0.1",
            port=address.port or 80,
            keys=[self.client_keys[name] for name in NAMES],
            connections=connections,
            array_size=array_size,
            seconds=seconds,
            rate=rate,
            cancels=cancels,
            seed=seed,
        )


def running_exchange(url: str, settings: Settings) -> Exchange:
    """Return the exchange at an address; the settings name its services and its run directory.

    raises  FileNotFoundError, NoAccounts
    """
    run_directory = settings.run_directory.resolve()
    return Exchange(
        url=url,
        client_keys=open_accounts(url, admin_key=admin_key_of(run_directory), run_directory=run_directory),
        clearing_data=Database(settings.clearing_data_url.get_secret_value(), application_name="bench"),
        market_data=Database(settings.market_data_url.get_secret_value(), application_name="bench"),
        broker_url=settings.broker_url.get_secret_value(),
        redis_url=settings.redis_url.get_secret_value(),
        run_directory=run_directory,
    )

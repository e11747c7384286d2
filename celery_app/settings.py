"""Every setting of the exchange: name, unit, default and one line of meaning.

Only this module reads the environment, and a process of the exchange does so once. So a wrong value stops it at its
start, with one message that names every fault.
"""

from __future__ import annotations

import re
import sys
from decimal import Decimal
from functools import cache
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

_ORIGIN = re.compile(r"\*|https?://[A-Za-z0-9.\[\]:-]+")


class Settings(BaseSettings):
    """The settings of a process; each is an environment variable of the same name in capitals."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)

    # -- where the services are; the addresses contain passwords, so they never appear in output ------------------
    broker_url: SecretStr = Field(SecretStr("amqp://guest:guest@127.0.0.1:5672//"), description="RabbitMQ")
    broker_role: Literal[
        "", "api", "order_entry", "matching", "order_execution", "data_feed", "catch_up", "flower", "scheduler"
    ] = Field("", description="role whose rights the user of BROKER_URL has, see sends_to; empty: all rights")
    broker_management_url: SecretStr = Field(
        SecretStr(""), description="RabbitMQ's management with a user of all rights, to create those of the roles"
    )
    broker_users: dict[str, SecretStr] = Field({}, description="passwords of the roles' users to create, as JSON")
    redis_url: SecretStr = Field(SecretStr("redis://127.0.0.1:6379/0"), description="Redis, for the push only")
    clearing_data_url: SecretStr = Field(
        SecretStr("postgresql://127.0.0.1:5432/clearing_data"), description="Postgres: log, accounts, ledger"
    )
    market_data_url: SecretStr = Field(
        SecretStr("postgresql://127.0.0.1:5432/market_data"), description="Postgres: reports, trades, books"
    )
    database_users: dict[str, SecretStr] = Field(
        {}, description="passwords of the users of Postgres to create, see deploy/database_users.py, as JSON"
    )

    # -- the pipeline --------------------------------------------------------------------------------------------
    shards: int = Field(2, ge=1, le=62, description="shards of securities, each with one matching queue")
    keep_days: int = Field(
        7, ge=0, le=3650, description="days of reports, trades, prices and candles_1s that the scheduler keeps; 0: all"
    )
    prefetch_messages: int = Field(32, ge=1, le=1000, description="messages a worker may hold; its largest batch")
    confirm_timeout_s: float = Field(4.0, gt=0, le=30, description="longest wait for RabbitMQ to confirm a publish")
    broker_heartbeat_s: int = Field(10, ge=2, le=120, description="AMQP heartbeat; three missed cut a connection")
    stall_patience_s: float = Field(
        30.0, ge=1, le=600, description="how long a worker may ignore waiting messages before it is restarted"
    )
    matching_heartbeat_s: int = Field(
        2, ge=2, le=120, description="heartbeat of matching workers: how soon a standby takes over from one that hangs"
    )
    order_entry_max_messages: int = Field(
        50_000, ge=1, description="length of the order_entry queue above which it refuses new messages"
    )
    snapshot_every_commands: int = Field(100_000, ge=1, description="commands between two snapshots of a book")
    fail_point: str = Field(
        "",
        pattern=r"^([a-z_]+\.[a-z_]+(:[1-9][0-9]*)?)?$",
        description="for tests: where a worker kills itself, as name[:nth time]; see celery_app/fail_points.py",
    )
    market: Path = Field(
        Path("deploy/exchange.toml"), description="what the exchange lists and endows, and its trading day"
    )
    run_directory: Path = Field(Path(".run"), description="liveness files, sockets and local data of the exchange")

    # -- trading rules that order entry applies -------------------------------------------------------------------
    market_order_band: Decimal = Field(
        Decimal("0.10"), gt=0, lt=1, description="how far a market order may trade from the last price [fraction]"
    )
    # An order may make a trade for each share, and the engine numbers them; see MAX_QUANTITY in
    # tasks.matching.rules.placing.
    max_order_quantity: int = Field(1_000_000, ge=1, le=2**20, description="largest order [shares]")
    max_open_orders: int = Field(10_000, ge=1, description="open orders a client may have")
    max_order_notional_cents: int | None = Field(
        None, ge=1, description="largest value of an order at its limit or collar [cents]; not set: no limit"
    )
    max_position: int | None = Field(
        None, ge=1, description="largest position in a security, open buy orders included [shares]; not set: no limit"
    )
    volatility_auction_s: float = Field(
        10.0, gt=0, le=3_600, description="how long an auction lasts that begins because a price left its band"
    )
    max_request_orders: int = Field(1_000, ge=1, le=10_000, description="orders in one request")

    # -- the api ------------------------------------------------------------------------------------------------
    api_host: str = Field("127.0.0.1", description="address the api listens on")
    api_port: int = Field(8000, ge=1, le=65535, description="port the api listens on")
    api_workers: int = Field(
        1, ge=1, le=32, description="api processes on all hosts; several share the port, and pending orders"
    )
    streams: int = Field(1, ge=1, le=32, description="processes on this host that serve streams")
    flower_port: int = Field(5555, ge=1, le=65535, description="port Flower listens on")
    flower_address: str = Field("127.0.0.1", description="address Flower listens on; any but loopback takes a password")
    flower_published_at: str = Field(
        "", description="address of the host at which a container's Flower can be reached; empty: FLOWER_ADDRESS"
    )
    flower_basic_auth: SecretStr = Field(
        SecretStr(""),
        description="logins for Flower, as name:password, several separated by commas; empty: anyone on loopback",
    )
    max_body_bytes: int = Field(1_048_576, ge=1024, description="largest request body")
    max_orders_per_s: int = Field(
        20_000,
        ge=1,
        le=1_000_000,
        description="orders a client may send in a second, over all its keys; cancels and replaces count",
    )
    max_refused_per_s: int = Field(
        1_000, ge=1, description="requests of a client that an api process may refuse in a second"
    )
    max_new_keys_per_hour: int = Field(
        300, ge=1, description="keys a client may create in an hour; the same number of revoked ones is kept"
    )
    max_anonymous_per_s: int = Field(
        100, ge=1, description="requests without a valid key of an address; all addresses together: twice as many"
    )
    max_refused_keys_per_s: int = Field(20, ge=1, description="keys of an address that may be refused in a second")
    max_connections_per_address: int = Field(
        1_000, ge=1, description="connections and streams that an address may have open at a process"
    )
    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="addresses and networks whose X-Forwarded-For and -Proto are trusted, separated by commas"
    )
    allowed_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="origins whose pages may use the api, as https://example.com, separated by commas; *: all"
    )
    key_cache_s: float = Field(1.0, ge=0, le=60, description="how long a key is trusted before it is looked up again")
    undecided_after_s: float = Field(
        60.0, ge=0, le=3600, description="age at which an order answered with 202 that is not in the log is reported"
    )
    log_level: str = Field("INFO", pattern="^(DEBUG|INFO|WARNING|ERROR|CRITICAL)$", description="least level logged")

    @property
    def flower_reached_at(self) -> str:
        """The address at which Flower can be reached, from outside of its container."""
        return self.flower_published_at or self.flower_address

    @field_validator("clearing_data_url", "market_data_url")
    @classmethod
    def _name_the_driver(cls, url: SecretStr) -> SecretStr:
        """Name psycopg2 as the driver, because SQLAlchemy 2.1 uses psycopg 3 for a bare postgresql://."""
        text = url.get_secret_value()
        scheme, found, rest = text.partition("://")
        if not found or scheme not in {"postgres", "postgresql", "postgresql+psycopg2"}:
            raise ValueError("must start with postgresql://")
        return SecretStr(f"postgresql+psycopg2://{rest}")

    @field_validator("flower_basic_auth")
    @classmethod
    def _has_names_and_passwords(cls, logins: SecretStr) -> SecretStr:
        given = logins.get_secret_value()
        if given and not all(all(login.partition(":")[::2]) for login in given.split(",")):
            raise ValueError("must be name:password")
        return logins

    @field_validator("trusted_proxies", mode="before")
    @classmethod
    def _networks(cls, listed: str | tuple[str, ...]) -> tuple[str, ...]:
        names = listed.split(",") if isinstance(listed, str) else listed
        return tuple(str(ip_network(name.strip(), strict=False)) for name in names if name.strip())

    @field_validator("allowed_origins", mode="before")
    @classmethod
    def _origins(cls, listed: str | tuple[str, ...]) -> tuple[str, ...]:
        names = [name.strip() for name in (listed.split(",") if isinstance(listed, str) else listed)]
        if not all(_ORIGIN.fullmatch(name) for name in names if name):
            raise ValueError("must be * or origins such as https://example.com, without a path")
        return tuple(name for name in names if name)

    @field_validator("broker_url")
    @classmethod
    def _is_amqp(cls, url: SecretStr) -> SecretStr:
        if not url.get_secret_value().startswith(("amqp://", "amqps://", "pyamqp://")):
            raise ValueError("must start with amqp://")
        return url


@cache
def settings() -> Settings:
    """Return the settings of this process, as read_settings() does at the first call."""
    return read_settings()


def read_settings() -> Settings:
    """Read the settings from the environment; if any is wrong, name each and exit with status 1."""
    try:
        return Settings()
    except ValidationError as faults:
        for fault in faults.errors():
            name = "_".join(str(part) for part in fault["loc"]).upper()
            sys.stderr.write(f"wrong setting {name}: {fault['msg']}; correct it and start again\n")
        raise SystemExit(1) from None

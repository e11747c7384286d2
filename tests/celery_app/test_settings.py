"""Settings contain passwords, and never show them."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from kombu import Connection
from redis import Redis

from celery_app.app import app
from celery_app.settings import Settings
from db.connect import Database

SECRET = "hunter2hunter2"  # must appear nowhere
URLS = {
    "BROKER_URL": f"amqp://exchange:{SECRET}@127.0.0.1:1//",
    "REDIS_URL": f"redis://:{SECRET}@127.0.0.1:1/0",
    "CLEARING_DATA_URL": f"postgresql://exchange:{SECRET}@127.0.0.1:1/clearing_data",
    "MARKET_DATA_URL": f"postgresql://exchange:{SECRET}@127.0.0.1:1/market_data",
}


def test_settings_and_their_users_hide_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, url in URLS.items():
        monkeypatch.setenv(name, url)
    s = Settings()
    database = Database(s.clearing_data_url.get_secret_value())
    broker = Connection(s.broker_url.get_secret_value())
    redis = Redis.from_url(s.redis_url.get_secret_value())
    shown = [s, s.model_dump(), s.model_dump_json(), database.engine, database.engine.url, broker, redis]
    for thing in shown:
        for text in (repr(thing), str(thing), f"{thing}"):
            assert SECRET not in text, type(thing)
    with pytest.raises(Exception, match="refused") as refused:
        database.engine.connect()
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize("name", URLS)
def test_an_error_names_the_wrong_address_and_hides_its_value(name: str) -> None:
    environment = {**os.environ, name: f"http://exchange:{SECRET}@127.0.0.1/"}
    program = "from celery_app.settings import settings; print(settings().redis_url)"
    outcome = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False
    )
    assert SECRET not in outcome.stdout + outcome.stderr
    assert (outcome.returncode == 1 and name in outcome.stderr) or name == "REDIS_URL"


def test_celery_shows_no_password() -> None:
    password = app.connection().password
    assert password
    assert password not in app.connection().as_uri()
    assert password not in app.conf.humanize(with_defaults=False, censored=True)

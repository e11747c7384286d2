"""The variables of `make up`, and the processes that they lead to."""

from __future__ import annotations

import re

import pytest

from deploy.local.failure import Failure
from deploy.local.variables import from_environment
from deploy.processes import BOTS, NEWSROOM, bots


def names(shards: int = 2, **variables: str) -> list[str]:
    return [name for name, _ in from_environment(variables).processes(shards)]


def test_without_variables_one_of_each_and_all_bots_run() -> None:
    assert names() == [
        "order_entry", "matching.0", "matching.1", "order_execution", "data_feed", "catch_up",
        "streams", "api", "flower", *BOTS, NEWSROOM, "scheduler", "referee",
    ]  # fmt: skip


def test_workers_and_standbys_are_counted() -> None:
    assert names(shards=1, BOTS="none", ORDER_ENTRY_WORKERS="3", MATCHING_STANDBYS="1", DATA_FEED_WORKERS="2") == [
        "order_entry", "order_entry-2", "order_entry-3", "matching.0", "matching.0-2",
        "order_execution", "data_feed", "data_feed-2", "catch_up", "streams", "api", "flower", "scheduler", "referee",
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["flood,retail", "FLOOD RETAIL", " flood , retail , "])
def test_bots_are_a_list(text: str) -> None:
    assert [crew.name for crew in from_environment({"BOTS": text}).bots] == ["flood", "retail"]


def test_each_bot_of_an_entry_has_an_account_and_securities() -> None:
    crews = from_environment({"BOTS": "informed(noise=0.5):2, informed, pairs, gauss(security=SHEL)"}).bots
    assert {crew.name: [(seat.account, seat.securities) for seat in crew.seats] for crew in crews} == {
        "informed": [("INFORMED", ("MSFT",)), ("INFORMED_2", ("AAPL",))],
        "informed-2": [("INFORMED_3", ("MSFT",))],
        "pairs": [("PAIRS", ("MSFT", "AAPL"))],
        "gauss": [("GAUSS", ("SHEL",))],
    }
    assert [process.command for process in bots(crews)][:2] == [
        ("bots", "crew", "informed(noise=0.5)", "--bot", "INFORMED=MSFT", "--bot", "INFORMED_2=AAPL"),
        ("bots", "crew", "informed", "--bot", "INFORMED_3=MSFT"),
    ]


def test_services_with_a_given_address_are_not_ours() -> None:
    given = {"BROKER_URL": "amqp://there", "REDIS_URL": ""}
    assert from_environment(given).given == {"BROKER_URL": "amqp://there"}


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("ORDER_ENTRY_WORKERS", "0", "must be a number from 1 to 32"),
        ("ORDER_ENTRY_WORKERS", "many", "must be a number from 1 to 32"),
        ("DATA_FEED_WORKERS", "-1", "must be a number from 1 to 32"),
        ("MATCHING_STANDBYS", "٣", "must be a number from 0 to 8"),
        ("BOTS", "flod", "there is no bot flod; choose one of random_walk, gauss"),
        ("BOTS", "none,flood", "there is no bot none; choose one of random_walk, gauss"),
        ("BOTS", "gauss(security=IBM)", "gauss: IBM is not listed; choose one of MSFT, AAPL"),
    ],
)
def test_an_invalid_variable_is_named(name: str, value: str, sentence: str) -> None:
    with pytest.raises(Failure, match=f"^wrong {name}: .*{re.escape(sentence)}"):
        from_environment({name: value})

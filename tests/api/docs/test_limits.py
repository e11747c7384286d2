"""The limits that docs/api.md names are those that the code has."""

from __future__ import annotations

import pytest

from api.accounts.keys import MOST_VALID_KEYS
from api.accounts.statements import MOST_POSTINGS
from api.request.query import MAX_LIMIT
from api.wire.schema import NAME_PATTERN
from celery_app.settings import Settings
from tasks.order_entry.rules.orders import MAX_REFILLS
from tests.support.web import ROOT

DOCUMENT = " ".join((ROOT / "docs" / "api.md").read_text().split())
DEFAULTS = {name: field.default for name, field in Settings.model_fields.items()}
PARTS = {100: "a hundredth"}


@pytest.mark.parametrize(
    "sentence",
    [
        f"| `quantity` | 1 to {DEFAULTS['max_order_quantity']:,} shares |",
        f"| largest order | {DEFAULTS['max_order_quantity']:,} shares | `MAX_ORDER_QUANTITY` |",
        f"| open orders | {DEFAULTS['max_open_orders']:,} | `MAX_OPEN_ORDERS` |",
        f"at least {PARTS[MAX_REFILLS]} of it",
        f"optional; 1 to 48 of `{NAME_PATTERN.removeprefix('[').removesuffix(']{1,48}')}`",
        f"an array of 1 to {DEFAULTS['max_request_orders']:,} of these",
        f"{DEFAULTS['max_orders_per_s']:,} a second and client",
        f"{DEFAULTS['max_refused_per_s']:,} a second (`MAX_REFUSED_PER_S`)",
        f"newest first, at most {MAX_LIMIT:,}",
        f"at most {MOST_POSTINGS:,} postings",
        f"up to {MOST_VALID_KEYS} valid keys",
        f"up to {DEFAULTS['max_new_keys_per_hour']} an hour",
        f"`MAX_CONNECTIONS_PER_ADDRESS` ({DEFAULTS['max_connections_per_address']:,})",
        f"a body over {DEFAULTS['max_body_bytes'] // 2**20} MiB",
    ],
)
def test_the_document_names_the_limit(sentence: str) -> None:
    assert sentence in DOCUMENT

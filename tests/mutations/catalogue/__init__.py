"""The mutations: for each safeguard the edits that remove it, and the test that fails then."""

from __future__ import annotations

from tests.mutations.catalogue.api import API
from tests.mutations.catalogue.audit import AUDIT
from tests.mutations.catalogue.delivery import DELIVERY
from tests.mutations.catalogue.feed import FEED
from tests.mutations.catalogue.matching import MATCHING
from tests.mutations.catalogue.order_entry import ORDER_ENTRY
from tests.mutations.catalogue.settlement import SETTLEMENT

MUTATIONS = {
    mutation.name: mutation for mutation in (*DELIVERY, *ORDER_ENTRY, *MATCHING, *SETTLEMENT, *FEED, *API, *AUDIT)
}

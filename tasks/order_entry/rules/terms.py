"""The terms of an order: the fields that decide whether a request asks again for the same order.

Three comparisons derive from this list: the digest of a promised client order id, the request against the command in
the order log, and the request against the register of orders. A field of `OrderRequest` is either a term or part of
its identity; a test fails for a field that is neither.
"""

from __future__ import annotations

from itertools import accumulate, chain
from operator import attrgetter

from tasks.messages import OrderRequest, PlaceOrder

# Stored digests depend on the order of these fields. A new term goes into a new group at the end of LATER, with None as
# its default, so that the digests of orders without it stay the same.
ORIGINAL = ("security_id", "type", "side", "quantity", "price_cents", "time_in_force", "post_only")
LATER: tuple[tuple[str, ...], ...] = (("stop_price_cents", "display_quantity"), ("expires_us",))
TERMS = (*ORIGINAL, *chain.from_iterable(LATER))

# These identify the order, its owner and one copy of the request; they do not say what the order is to do.
IDENTITY = ("order_id", "client_id", "client_order_id", "received_us")

_values_of = attrgetter(*TERMS)
# Where each later group begins, and the unset values of it and the groups after it; the last group first.
_UNSET = [
    (start, (None,) * (len(TERMS) - start))
    for start in reversed([*accumulate((len(group) for group in LATER[:-1]), initial=len(ORIGINAL))])
]


def terms_of(order: OrderRequest | PlaceOrder) -> tuple[object, ...]:
    """Return the values of all terms, in the order of TERMS."""
    values: tuple[object, ...] = _values_of(order)
    return values


def promised_terms_of(order: OrderRequest) -> tuple[object, ...]:
    """Return the terms as the digest of a promise holds them: without the later groups at the end that are unset."""
    terms = terms_of(order)
    end = len(terms)
    for start, unset in _UNSET:
        if terms[start:] != unset:
            break
        end = start
    return terms[:end]

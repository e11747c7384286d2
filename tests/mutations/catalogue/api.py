"""Safeguards of the api and the streams."""

from __future__ import annotations

from tests.mutations.mutation import single

API = (
    single(
        "repeated_names_accepted",
        "A body in which a name is given twice is refused.",
        "tests/api/wire/test_order_reading.py::test_no_name_may_be_repeated",
        "api/wire/order_reading.py",
        "        if _is_strict(body, found if isinstance(found, list) else [found]):\n",
        "        if found is not None:\n",
    ),
    single(
        "half_a_head_compared",
        "A head counts as known only if all of it but the length is the same.",
        "tests/api/http/test_server.py::test_only_the_length_of_a_known_head_may_differ",
        "api/http/head.py",
        "or not digits.isdigit() or not received.startswith(after, end):",
        "or not digits.isdigit():",
    ),
    single(
        "rate_limit_off",
        "A client that sends ten times its rate is refused.",
        "tests/api/orders/intake/test_rate_limits.py::test_28_ten_times_the_rate",
        "api/orders/intake/rate_limits.py",
        "local tokens = math.floor((ARGV[2] - (full_at - now)) / each)\n",
        "local tokens = math.floor(ARGV[2] / each)\n",
    ),
    single(
        "promises_die_with_their_process",
        "An order that a killed api process had promised is placed by the next one.",
        "tests/api/orders/intake/test_unfinished.py::test_an_api_that_is_killed_between_promise_and_queue",
        "api/orders/intake/promises.py",
        "        self._unfinished.begin([promise.order for promise in group] for group in waiting)\n",
        "",
    ),
    single(
        "revoked_key_accepted",
        "A revoked key is refused.",
        "tests/db/clearing_data/clients/test_keys.py::test_a_client_may_have_several_keys_until_they_are_revoked",
        "db/clearing_data/clients/keys.py",
        "FROM api_keys LEFT JOIN accounts USING (client_id) WHERE key_hash = :hash AND revoked_us IS NULL",
        "FROM api_keys LEFT JOIN accounts USING (client_id) WHERE key_hash = :hash",
    ),
    single(
        "revoked_key_makes_keys",
        "A key that is revoked creates and revokes no keys while the api remembers it.",
        "tests/api/competitions/test_team_keys.py::test_a_revoked_key_leaves_nothing_behind",
        "api/accounts/keys.py",
        "    if key_store.revoked_of(tx, [identity.key_id]):\n",
        "    if not identity.key_id:\n",
    ),
    single(
        "anothers_reports_readable",
        "A client reads its own reports only.",
        "tests/api/test_whose_reports.py::test_23_anothers_report_by_the_id_of_its_order",
        "api/request/auth.py",
        '    return None if identity.role == "admin" else identity.client_id\n',
        "    return None\n",
    ),
    single(
        "new_connections_unlimited",
        "An address that opens too many connections is refused before its requests are read.",
        "tests/api/request/test_fairness.py::"
        "test_45_an_address_that_opens_too_many_connections_is_refused_before_its_request_is_read",
        "api/http/api_server.py",
        "        if limited and self._new.wait_s(address) and self._traders.is_full(address):\n",
        "        if not limited:\n",
    ),
)

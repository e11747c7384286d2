"""A revoked key receives nothing more, even on streams that it opened before."""

from __future__ import annotations

from db.clearing_data.clients import keys
from db.connect import Database
from tests.api.streams.conftest import Feed, Keys, trades
from tests.api.streams.test_channels import subscribe
from tests.support.feed import trade
from tests.support.streams import Streams, read, read_until_cut_off, wait_until


def test_only_the_streams_of_a_revoked_key_end(
    streams: Streams, feed: Feed, api_keys: Keys, clearing_data: Database
) -> None:
    with clearing_data.transaction() as tx:
        spare = keys.make_key(tx, "FLOOD", role="client", now_us=1, read_only=True)
        identity = keys.find_key(tx, spare)
        assert identity is not None
    stays, goes = (streams.raw(f"/stream/report?api_key={key}") for key in (api_keys.flood, spare))
    client_stays, client_goes = (streams.socketio({"api_key": key}) for key in (api_keys.flood, spare))
    for client in (client_stays, client_goes):
        assert subscribe(client, "report") == {"status": "success"}
    feed.publish(trades(trade(1, buyer="FLOOD", seller="GAUSS")))
    assert (read(stays)["sequence"], read(goes)["sequence"]) == (1, 1)
    with clearing_data.transaction() as tx:
        keys.revoke_key(tx, "FLOOD", identity.key_id, now_us=2)
    read_until_cut_off(goes)
    wait_until(lambda: not client_goes.connected)
    feed.publish(trades(trade(2, buyer="FLOOD", seller="GAUSS")))
    assert read(stays)["sequence"] == 2
    assert client_stays.connected

"""A saved record as Parquet: the same rows as in the CSV files, with times as times."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from bots.competition import verify
from bots.competition.parquet import write

FILES = {
    "trades": "security_id,sequence,event_id,price_cents,quantity,aggressor_side,traded_us\nACME,1,9,5000,3,,7\n",
    "orders": "order_id,client_id,reason,price_cents,created_us\n17,c1.1,,,1700000000000001\n18,c1.2,closed,5000,2\n",
    "ledger": "entry_id,account,transfer_id,cash_cents,event_id,booked_us\n1,c1.1,007,-12,,5\n",
    "samples": "round,sampled_us,client_id,gain_cents,quotes\n",
}


def test_each_table_has_its_types(tmp_path: Path) -> None:
    for kind, text in FILES.items():
        (tmp_path / f"{kind}.csv").write_text(text)
    assert [file.name for file in write(tmp_path)] == [
        f"{k}.parquet" for k in ("trades", "ledger", "samples", "orders")
    ]
    orders = parquet.read_table(tmp_path / "orders.parquet")
    assert orders.schema.field("created_us").type == pa.timestamp("us", tz="UTC")
    assert orders.column("price_cents").to_pylist() == [None, 5000]
    assert orders.column("reason").to_pylist() == [None, "closed"]
    assert orders.column("created_us").to_pylist()[0].isoformat() == "2023-11-14T22:13:20.000001+00:00"
    ledger = parquet.read_table(tmp_path / "ledger.parquet")
    assert ledger.column("transfer_id").to_pylist() == ["007"]
    assert parquet.read_table(tmp_path / "trades.parquet").num_rows == 1
    assert parquet.read_table(tmp_path / "samples.parquet").num_rows == 0


def test_without_pyarrow_a_sentence_says_what_to_install(tmp_path: Path) -> None:
    # An entry of None in sys.modules is a library that is not there.
    code = (
        "import sys; sys.modules['pyarrow'] = None; from bots.__main__ import main; "
        f"sys.exit(main(['verify', 'http://127.0.0.1:1/x', '--save', {str(tmp_path)!r}, '--parquet']))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert said.returncode == 1
    assert said.stderr == (
        "python -m bots: --parquet needs pyarrow, which is not installed: "
        "pip install --require-hashes -r bots/competition/requirements.txt\n"
    )


def test_it_needs_a_folder(capsys: pytest.CaptureFixture[str]) -> None:
    assert verify.main(["http://127.0.0.1:1/x", "--parquet"]) == 1
    assert "--parquet needs --save FOLDER" in capsys.readouterr().err

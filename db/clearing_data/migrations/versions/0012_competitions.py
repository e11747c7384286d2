"""Competitions: cases, invitations, teams, securities, results, samples, news."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0012"
down_revision = "0011"

TABLES = (
    "competition_news",
    "competition_samples",
    "round_results",
    "competition_teams",
    "invites",
    "competition_securities",
    "competitions",
)


def upgrade() -> None:
    text = sa.Text(collation="C")

    def column(
        name: str, kind: sa.types.TypeEngine[Any], *, may_be_null: bool = False, key: bool = False
    ) -> sa.Column[Any]:
        return sa.Column(name, kind, nullable=may_be_null and not key, primary_key=key, autoincrement=False)

    big, small = sa.BigInteger(), sa.SmallInteger()
    op.create_table(
        "competitions",
        sa.Column("number", big, sa.Identity(), primary_key=True),
        column("created_us", big),
        *(column(name, big, may_be_null=True) for name in ("ends_us", "step_ends_us", "trading_us")),
        *(column(name, small) for name in ("round", "rounds", "max_teams")),
        sa.Column("competition_id", text, nullable=False, unique=True),
        *(column(name, text) for name in ("name", "state", "step")),
        column("paused_us", big, may_be_null=True),
        column("case_json", text),
        column("seed", text),
        sa.CheckConstraint(
            "state IN ('registration', 'running', 'break', 'finished', 'stopped')", name="competitions_state"
        ),
    )
    op.create_table(
        "competition_securities",
        sa.Column("competition", big, nullable=False, index=True),
        column("value_cents", big, may_be_null=True),
        column("round", small),
        column("security_id", text, key=True),
        column("named", text),
    )
    op.create_table(
        "invites",
        sa.Column("competition", big, nullable=False, index=True),
        column("created_us", big),
        column("token_hash", sa.LargeBinary(), key=True),
        column("client_id", text, may_be_null=True),
    )
    op.create_table(
        "competition_teams",
        column("competition", big),
        column("joined_us", big),
        column("number", small),
        column("is_house", sa.Boolean()),
        column("client_id", text, key=True),
        column("team", text),
        column("folded", text),
        column("strategy", text, may_be_null=True),
        column("options", text, may_be_null=True),
    )
    op.create_index("competition_teams_by_name", "competition_teams", ["competition", "folded"], unique=True)
    op.create_table(
        "round_results",
        column("competition", big, key=True),
        column("round", small, key=True),
        column("cash_cents", big),
        column("gain_cents", big),
        column("points", big),
        column("client_id", text, key=True),
    )
    op.create_table(
        "competition_samples",
        column("competition", big, key=True),
        column("sampled_us", big, key=True),
        column("round", small),
        column("gains", JSONB()),
        column("quotes", JSONB(), may_be_null=True),
    )
    op.create_table(
        "competition_news",
        column("competition", big, key=True),
        column("round", small, key=True),
        column("position", small, key=True),
        column("published_us", big),
    )
    op.add_column("accounts", sa.Column("competition", big))
    op.add_column("securities", sa.Column("competition", big))


def downgrade() -> None:
    op.drop_column("securities", "competition")
    op.drop_column("accounts", "competition")
    for table in TABLES:
        op.drop_table(table)

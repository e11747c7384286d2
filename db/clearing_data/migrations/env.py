"""Runs the migrations of `clearing_data` over the connection that db.migrate has opened."""

from __future__ import annotations

from alembic import context

from db.clearing_data.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()

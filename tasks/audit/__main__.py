"""`python -m tasks.audit`: audit the exchange of the settings, and name each broken rule.

The exit status is 0 if every rule holds, 1 if one is broken, and 2 if the audit could not run.
"""

from __future__ import annotations

import argparse
import gc
import sys

import msgspec
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from sqlalchemy.exc import DBAPIError

from celery_app.settings import settings
from db.connect import Database
from tasks.audit.audit import CONNECTIONS, audit
from tasks.audit.common.result import Audit

PASSED, BROKEN, NOT_MADE = 0, 1, 2


def main() -> int:
    """Run the audit and print it; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tasks.audit", description="Check the invariants of the exchange.")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument(
        "--patience", type=float, default=10.0, metavar="S", help="wait this long for messages in the queues [s]"
    )
    arguments = parser.parse_args()
    # The replay makes millions of small values without cycles; searching them for cycles would take longer.
    gc.disable()
    urls = settings().clearing_data_url.get_secret_value(), settings().market_data_url.get_secret_value()
    databases = [Database(url, pool_size=CONNECTIONS, application_name="audit") for url in urls]
    broker_url = settings().broker_url.get_secret_value()
    try:
        outcome = audit(*databases, broker_url=broker_url, patience_s=arguments.patience)
    except DBAPIError as fault:
        reason = str(fault.orig).strip().partition("\n")[0]
        sys.stderr.write(f"the audit could not run, as Postgres does not answer: {reason}\n")
        return NOT_MADE
    if arguments.json:
        sys.stdout.write(msgspec.json.encode(outcome).decode() + "\n")
    else:
        _print(outcome)
    return PASSED if outcome.passed else BROKEN


def _print(outcome: Audit) -> None:
    table = Table(title=f"audit of {outcome.checked_at}")
    for column, justify in (("rule", "right"), ("what must hold", "left"), ("checked", "right"), ("", "left")):
        table.add_column(column, justify=justify)  # type: ignore[arg-type]
    for rule in outcome.rules:
        verdict = "[green]passed[/]" if rule.passed else f"[bold red]broken ({rule.found:,})[/]"
        table.add_row(str(rule.rule), rule.name, f"{rule.checked:,}", verdict)
    console = Console()
    console.print(table)
    for rule in outcome.rules:
        for finding in rule.findings:
            console.print(f"rule {rule.rule}: {escape(finding)}", soft_wrap=True, highlight=False)
        if rule.found > len(rule.findings):
            console.print(f"rule {rule.rule}: and {rule.found - len(rule.findings):,} more")


if __name__ == "__main__":
    sys.exit(main())

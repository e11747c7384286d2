"""Halting the trading of a security, and resuming it."""

from __future__ import annotations

from dataclasses import replace

from tasks.messages import HaltRequest, SetHalt
from tasks.order_entry.decisions import Admitted
from tasks.order_entry.desk import Desk


class UnknownSecurity(ValueError):
    """A halt of what is not listed: its sender is wrong, and there is no client to tell of it."""


def decide_halt(desk: Desk, halt: HaltRequest) -> Admitted:
    """Admit a halt, which the requests behind it see. The engine, which sees them all in one order, has the last word.

    One that changes nothing is admitted like any other: who sent it waits for it to be in the log.

    raises  UnknownSecurity
    """
    security = desk.securities.get(halt.security_id)
    if security is None:
        raise UnknownSecurity("a halt of a security that is not listed")
    desk.securities[halt.security_id] = replace(security, halted=halt.halted)
    desk.halts[halt.security_id] = halt.halted
    return Admitted(halt, SetHalt(halt.command_id, halt.security_id, halt.halted, desk.now_us), security.shard)

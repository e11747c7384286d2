"""Halting the trading of a security, and resuming it."""

from __future__ import annotations

from dataclasses import replace

from tasks.messages import HaltRequest, SetHalt
from tasks.order_entry.rules.decisions import Admitted, Denied
from tasks.order_entry.rules.desk import Desk


def decide_halt(desk: Desk, halt: HaltRequest) -> Admitted | Denied:
    """Admit a halt, which the requests behind it see. The engine, which sees them all in one order, has the last word.

    One that changes nothing is admitted like any other: its sender waits for it to be in the log.
    """
    security = desk.securities.get(halt.security_id)
    if security is None:
        return Denied(halt, "unknown_security")
    desk.securities[halt.security_id] = replace(security, halted=halt.halted)
    desk.halts[halt.security_id] = halt.halted
    return Admitted(halt, SetHalt(halt.command_id, halt.security_id, halt.halted, desk.now_us), security.shard)

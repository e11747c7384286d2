"""Requests to change the phase of a security, and which phases take which requests."""

from __future__ import annotations

from dataclasses import replace

from msgspec import structs

from tasks.messages import HaltRequest, Phase, PhaseRequest, SetPhase
from tasks.order_entry.rules.decisions import Admitted, DenialReason, Denied
from tasks.order_entry.rules.desk import Desk
from tasks.order_entry.rules.security_changes import NewPhase
from tasks.shared.rules.securities import Security

# Why orders and replacements are denied in a phase; in all other phases the engine decides.
_REFUSALS: dict[str, DenialReason] = {"halted": "halted", "closed": "closed", "settled": "settled"}
TAKE_CANCELS_ONLY = frozenset(_REFUSALS)


def phase_refusal(security: Security) -> DenialReason | None:
    """Return why the phase of a security denies its orders; cancels are accepted in every phase."""
    return _REFUSALS.get(security.phase)


def decide_halt(desk: Desk, halt: HaltRequest) -> Admitted | Denied:
    """Admit a halt, or the end of one, as a change of phase."""
    decision = decide_phase(desk, as_phase(halt))
    return structs.replace(decision, request=halt)


def as_phase(halt: HaltRequest) -> PhaseRequest:
    """Return the change of phase that a halt, or the end of one, stands for."""
    phase: Phase = "halted" if halt.halted else "continuous"
    return PhaseRequest(halt.command_id, halt.security_id, phase, None, halt.received_us)


def decide_phase(desk: Desk, request: PhaseRequest) -> Admitted | Denied:
    """Admit a change of phase; later requests see the new phase.

    The engine has the last word, because it sees all changes in one order. A change to the same phase is admitted like
    any other: its sender waits until it is in the log.
    """
    refusal = security_refusal(desk, request.security_id)
    if refusal is not None:
        return Denied(request, refusal)
    lasts_us = None if request.phase == "continuous" else request.lasts_us
    ends_us = None if lasts_us is None else desk.now_us + lasts_us
    command = SetPhase(request.command_id, request.security_id, request.phase, "admin", ends_us, desk.now_us)
    change_phase(desk, request.security_id, NewPhase(request.command_id, request.phase, "admin", ends_us))
    return Admitted(request, command, desk.securities[request.security_id].shard)


def security_refusal(desk: Desk, security_id: str) -> DenialReason | None:
    """Return why no change of a security is allowed; None when changes are."""
    if security_id not in desk.securities:
        return "unknown_security"
    return "settled" if security_id in desk.changes.over else None


def change_phase(desk: Desk, security_id: str, phase: NewPhase) -> None:
    """Put a security into another phase, as later requests see it."""
    desk.securities[security_id] = replace(
        desk.securities[security_id], phase=phase.phase, phase_cause=phase.cause, phase_ends_us=phase.ends_us
    )
    desk.changes.phases[security_id] = phase

"""Summarises a tournament in sentences: the winner, how certain the order is, and how realistic the market was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bots.league.reporting.facts import Fact
from bots.league.reporting.saying import chance, dollars, percent
from bots.league.scoring.standings import Scoreboard, Standing
from bots.league.scoring.statistics import ENOUGH_MATCHES

# Certainties from which the summary says "surely" or "probably".
SURE = 0.975
PROBABLE = 0.8


def headline(board: Scoreboard) -> str:
    """Return the main result in one sentence."""
    best = board.standings[0]
    said = f"{best.name} came first and gained {dollars(best.gain_cents.mean)} per match compared with holding"
    if len(board.standings) < 2:
        return f"{said}."
    surely = board.better[0][1]
    second = board.standings[1].name
    if surely is None:
        return f"{said}; {second} came second, and there are too few matches to say which is better."
    sure = "surely" if surely >= SURE else "probably" if surely >= PROBABLE else "perhaps"
    return f"{said}; it is {sure} better than {second}, which came second (certainty {chance(surely)})."


def sentences(board: Scoreboard, facts: Mapping[str, Sequence[Fact]]) -> list[str]:
    """Return the other results, one sentence each; `facts` has the stylised facts by security."""
    said = [*_gainers(board), *_close(board), _last(board), *_outs(board)]
    said += [sentence for security_id, its in facts.items() if (sentence := _market(security_id, its))]
    return said


def manner(bot: Standing) -> str:
    """Describe in a few words how a bot traded."""
    trades = bot.mean("trades") or 0.0
    if not trades:
        return "did not trade"
    share = bot.mean("maker_share") or 0.0
    how = (
        "waits in the book"
        if share >= 0.8
        else "takes from the book"
        if share <= 0.2
        else f"waits in the book for {percent(share, 0)} of its shares"
    )
    return f"{trades:,.0f} {'trade' if round(trades) == 1 else 'trades'}, {how}"


def _gainers(board: Scoreboard) -> list[str]:
    """Name the bots that are surely better or worse than doing nothing, given enough matches."""
    played = len(board.standings[0].matches)
    if played < ENOUGH_MATCHES:
        too_few = "1 match is too few" if played == 1 else f"{played} matches are too few"
        return [f"{too_few} to say which bots gain or lose; at least {ENOUGH_MATCHES} are needed."]
    known = [bot for bot in board.standings if bot.gain_cents.low is not None and bot.gain_cents.high is not None]
    if not known:
        return []
    up = [bot.name for bot in known if (bot.gain_cents.low or 0) > 0]
    down = [bot.name for bot in known if (bot.gain_cents.high or 0) < 0]
    said = [
        f"Surely better than doing nothing: {_listed(up)}." if up else "No bot is surely better than doing nothing."
    ]
    if down:
        said.append(f"Surely worse: {_listed(down)}.")
    return said


def _close(board: Scoreboard) -> list[str]:
    """Name neighbours whose order may be chance."""
    pairs = [
        f"{one.name} and {other.name}"
        for at, (one, other) in enumerate(zip(board.standings, board.standings[1:], strict=False))
        if (probability := board.better[at][at + 1]) is not None and probability < PROBABLE
    ]
    return [f"Places that may be chance: {_listed(pairs, ' · ')}."] if pairs else []


def _last(board: Scoreboard) -> str:
    last = board.standings[-1]
    verb = "lost" if last.gain_cents.mean < 0 else "gained"
    return f"{last.name} came last and {verb} {dollars(abs(last.gain_cents.mean))} per match compared with holding."


def _outs(board: Scoreboard) -> list[str]:
    out = [f"{bot.name} ({bot.disqualified} of {len(bot.matches)})" for bot in board.standings if bot.disqualified]
    return [f"Disqualified, with the reason below: {_listed(out)}."] if out else ["No bot was disqualified."]


def _market(security_id: str, facts: Sequence[Fact]) -> str:
    known = [fact for fact in facts if fact.verdict != "too little to say"]
    if not known:
        return f"{security_id} traded too little for a comparison with real markets."
    like = [fact for fact in known if fact.verdict == "like a market"]
    unlike = [fact.name.lower() for fact in known if fact.verdict == "not like one"]
    but = f"; it lacks: {_listed(unlike)}" if unlike else ""
    return f"{security_id} has {len(like)} of the {len(known)} tested properties of real markets{but}."


def _listed(names: Sequence[str], comma: str = ", ") -> str:
    return comma.join(names)

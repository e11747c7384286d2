"""Files of strangers in a sandbox: each cheat gets nothing or is disqualified, and no other bot notices."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bots.league.play.configuration import League
from bots.league.play.entrants import Entrant, entrants
from bots.league.play.result import BotResult, Match, encoded, hash_of
from bots.league.play.simulated_match import play
from bots.league.sandbox import bubblewrap, confinement, guest_process, wire
from tests.bots.league import cheats
from tests.bots.league.leagues import QUICK, league

CHEATS = Path(__file__).with_name("cheats.py")
OTHERS = (
    {"strategy": "zero_intelligence", "options": QUICK, "name": "well"},
    {"strategy": "informed", "options": QUICK},
    {"strategy": "market_maker"},
    {"strategy": "retail"},
)
GETS_NOTHING = [
    cheats.ReadsTheHiddenValue,
    cheats.GuessesTheSeed,
    cheats.FindsTheMarket,
    cheats.ReadsFiles,
    cheats.UsesTheNetwork,
    cheats.WritesFiles,
    cheats.StartsPrograms,
    cheats.StartsThreads,
    cheats.EndsOthers,
    cheats.RaisesItsLimits,
    cheats.ReadsTheClock,
    cheats.PatchesTheRules,
]
DISQUALIFIED = {
    cheats.SendsForgedRequests: ("crashed", "it has forged an answer: an order is larger than allowed"),
    cheats.SendsAsAnother: ("crashed", "it has forged an answer: it sends as another client"),
    cheats.SendsInThePast: ("crashed", "it has forged an answer: it sends at another time than now"),
    cheats.SetsItsTimerBack: ("crashed", "it has forged an answer: its timer is due in the past"),
    cheats.WritesIntoThePipe: ("crashed", "it has sent more than its answer"),
    cheats.ClosesThePipe: ("hung", "a callback did not return within 6 s"),
    cheats.Exits: ("crashed", "it ended its process with status 7"),
    cheats.ExitsWithAnOddStatus: ("crashed", "it ended its process with status 255"),
    cheats.LogsInvalidTimes: ("crashed", "it has forged an answer: it logs at another time than now"),
    cheats.Crashes: ("crashed", "the signal SIGSEGV ended its process"),
    cheats.LoopsForEver: ("hung", "a callback did not return within 6 s"),
    cheats.TakesAllMemory: ("raised", "MemoryError"),
    cheats.Prints: ("flooded", "it prints and logs more than 1 MiB"),
    cheats.AnswersAtLength: ("flooded", "an answer has more than 4 MiB"),
    cheats.Floods: ("flooded", "RequestFlood: more than 1000 requests in a second"),
}
# Cheats whose match is also played with all bots in processes of their own.
AMONG_GUESTS = (cheats.Exits, cheats.SendsInThePast, cheats.Prints, cheats.LoopsForEver)


def configured(*kinds: type, **others: object) -> League:
    strangers = [{"strategy": f"{CHEATS}:{kind.__name__}", "name": f"stranger {at}"} for at, kind in enumerate(kinds)]
    return league(*strangers, *OTHERS, secret="not to be known", duration="20s", **others)


@pytest.fixture(scope="module")
def played() -> dict[tuple[type, bool], Match]:
    """Play a match with each cheat, and one with an idle bot in its place; several at a time, as most of them wait.

    The key says whether the other bots are guests as well.
    """
    games = [(kind, False) for kind in (cheats.Idle, *GETS_NOTHING, *DISQUALIFIED)]
    games += [(kind, True) for kind in AMONG_GUESTS]

    def play_one(kind: type, isolate: bool) -> Match:
        of = configured(kind)
        return play(of, 1, entrants(of, isolate=isolate))

    with ThreadPoolExecutor(6) as pool:
        return dict(zip(games, pool.map(play_one, *zip(*games, strict=True)), strict=True))


@pytest.fixture(scope="module")
def matches(played: dict[tuple[type, bool], Match]) -> dict[type, Match]:
    return {kind: match for (kind, isolate), match in played.items() if not isolate}


def others(match: Match) -> list[BotResult]:
    return match.bots[1:]


@pytest.mark.parametrize("cheat", GETS_NOTHING, ids=lambda cheat: cheat.__name__)
def test_a_cheat_gets_nothing(matches: dict[type, Match], cheat: type) -> None:
    stranger = matches[cheat].bots[0]
    assert stranger.failure is None
    assert [note for note in stranger.notes if note.text == "got"] == []
    assert others(matches[cheat]) == others(matches[cheats.Idle])
    assert matches[cheat].trades_hash == matches[cheats.Idle].trades_hash


@pytest.mark.parametrize("cheat", DISQUALIFIED, ids=lambda cheat: cheat.__name__)
def test_a_cheat_is_disqualified_by_name(matches: dict[type, Match], cheat: type) -> None:
    kind, error = DISQUALIFIED[cheat]
    failure = matches[cheat].bots[0].failure
    assert failure is not None
    assert (failure.kind, failure.error[: len(error)]) == (kind, error)
    assert 5 < failure.time_s < 11
    assert others(matches[cheat]) == others(matches[cheats.Idle])
    assert matches[cheat].trades_hash == matches[cheats.Idle].trades_hash


def test_the_match_that_all_are_compared_with_is_a_lively_one(matches: dict[type, Match]) -> None:
    assert matches[cheats.Idle].trades > 10
    assert all(bot.fills for bot in others(matches[cheats.Idle])[:2])


def test_the_clock_of_a_stranger_is_the_matchs(matches: dict[type, Match]) -> None:
    (first, *_) = matches[cheats.ReadsTheClock].bots[0].notes
    assert float(first.fields["at"]) == pytest.approx(1_700_000_000 + first.time_s)
    assert float(first.fields["monotonic"]) == pytest.approx(first.time_s)
    of = configured(cheats.ReadsTheClock)
    assert hash_of(play(of, 1, entrants(of))) == hash_of(matches[cheats.ReadsTheClock])


def test_a_match_is_the_same_in_one_process_and_in_many() -> None:
    of = league(*OTHERS, {"strategy": "momentum", "options": {"fast_s": 1.0, "slow_s": 4.0}}, {"strategy": "flood"})
    together, isolated = (play(of, 1, entrants(of, isolate=isolate)) for isolate in (False, True))
    assert encoded(isolated) == encoded(together)


@pytest.mark.parametrize("cheat", AMONG_GUESTS, ids=lambda cheat: cheat.__name__)
def test_a_cheat_among_guests_ends_alone(played: dict[tuple[type, bool], Match], cheat: type) -> None:
    """The market waits for several guests at a time; each answer, and each fault, is that of its own guest."""
    assert hash_of(played[cheat, True]) == hash_of(played[cheat, False])


def test_only_those_that_the_case_lists_are_informed() -> None:
    of = league(
        {"strategy": "informed"},
        {"strategy": "informed", "informed": False, "name": "blind"},
        {"strategy": f"{CHEATS}:ReadsTheHiddenValue"},
        {"strategy": f"{CHEATS}:ReadsTheHiddenValue", "informed": True, "name": "reads"},
        duration="20s",
    )
    bots = entrants(of)
    assert [bot.informed for bot in bots] == [True, False, False, True]
    match = play(of, 1, bots)
    assert [[note.text for note in bot.notes][:1] for bot in match.bots[2:]] == [[], ["got"]]
    (note, *_) = match.bots[3].notes
    assert "RevealedValue" in note.fields["what"]
    assert "Fundamental object" not in note.fields["what"]


def test_an_entrant_says_nothing_of_the_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    """All that a bot's process is sent: the secret, the seed's text and the events are not among it."""
    sent: list[bytes] = []
    monkeypatch.setattr(guest_process, "framed", lambda message: sent.append(wire.framed(message)) or sent[-1])
    news = {"kind": "news", "at": 15, "security": "MSFT", "change": 0.5}
    of = configured(cheats.Idle, events=[news])
    play(of, 1, entrants(of))
    everything = b"".join(sent)
    assert b"stranger" not in everything.replace(b"STRANGER", b"")
    for hidden in (b"not to be known", b"news", b"seed", b"secret"):
        assert hidden not in everything


def test_without_bubblewrap_one_sentence_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    bubblewrap.require.cache_clear()
    of = configured(cheats.Idle)
    with pytest.raises(
        Exception, match=r"files of strangers run under bubblewrap.*apt-get install bubblewrap.*--trust"
    ):
        entrants(of)
    trusted: list[Entrant] = entrants(of, trust=True)
    assert not trusted[0].is_guest
    bubblewrap.require.cache_clear()


def test_every_machine_forbids_what_acts_on_others() -> None:
    for _, calls in confinement._MACHINES.values():
        assert not calls.keys() & {"execve", "fork", "vfork", "clone", "clone3", "socket", "connect", "kill", "ptrace"}
        assert len(set(calls.values())) == len(calls)
        assert {"read", "write", "openat", "mmap", "brk", "exit_group"} <= calls.keys()

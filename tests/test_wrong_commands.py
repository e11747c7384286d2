"""Wrong uses of the commands: one sentence that says what is wrong, and the exit status of the fault."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bots import __main__ as bots
from celery_app import settings as own_settings
from celery_app.app import _prepare_worker
from celery_app.settings import Settings
from deploy import flower
from deploy.local import __main__ as make
from deploy.local.failure import Failure, ending
from deploy.local.variables import from_environment
from tests.support.web import ROOT

NOWHERE = "http://127.0.0.1:1"

FILES = {
    "syntax.py": "class Bot:\n    def on_price(self, price):\n        return price.\n",
    "needs_more.py": "import no_such_library\n",
    "raises.py": "from bots.strategy import Strategy\n\nFEE = 1 / 0\n",
    "empty.py": "",
    "two.py": "from bots.strategy import Strategy\n\nclass A(Strategy): ...\n\nclass B(Strategy): ...\n",
    "switch.py": (
        "from dataclasses import dataclass\nfrom bots.strategy import Strategy, option\n\n"
        "@dataclass\nclass Switch(Strategy):\n    careful: bool = option(True, 'whether it is')\n"
    ),
    "taken.py": "",
    "not.json": "{",
    "others.json": '{"FLOOD": "k"}',
    "league.toml": "name = 5",
}

# The arguments of `python -m bots`; the exit status, and what the last line on stderr says.
BOTS: list[tuple[list[str], int, str]] = [
    ([], 2, "the following arguments are required: COMMAND"),
    (["no_such"], 2, "invalid choice: 'no_such'"),
    (["run"], 2, "the following arguments are required: TARGET"),
    (["run", "--duration", "1m"], 2, "the following arguments are required: TARGET"),
    (["run", "nothing"], 1, "there is no strategy nothing; choose one of random_walk, "),
    (["run", "nothing.py:Bot"], 1, "there is no file nothing.py"),
    (["run", "no.such.module:Bot"], 1, "there is no module no.such.module"),
    (["run", "syntax.py"], 1, "syntax.py, line 3: SyntaxError: invalid syntax"),
    (["run", "needs_more.py"], 1, "needs_more.py, line 1: ModuleNotFoundError: No module named 'no_such_library'"),
    (["run", "raises.py"], 1, "raises.py, line 3: ZeroDivisionError: division by zero"),
    (["run", "empty.py"], 1, "empty.py has no strategy: write one with `python -m bots new NAME`"),
    (["run", "two.py"], 1, "two.py has more than one strategy; choose one as two.py:CLASS: A, B"),
    (["run", "two.py:C"], 1, "two.py has no strategy named C; choose one as two.py:CLASS: A, B"),
    (["run", "flood", "--rate", "fast"], 2, "argument --rate: invalid float value: 'fast'"),
    (["run", "flood", "--rate", "-1"], 1, "rate must not be negative"),
    (
        ["run", "flood", "--duration", "soon"],
        2,
        "'soon' is not a duration; write 8h, 1h30m, 45s or a number of seconds",
    ),
    (
        ["run", "flood", "--keys-file", "no.json"],
        1,
        "there is no key: no.json does not exist; give --client-id, --key",
    ),
    (["run", "flood", "--keys-file", "not.json"], 1, "the keys file not.json cannot be read: "),
    (["run", "gauss", "--keys-file", "others.json"], 1, "others.json has no key for GAUSS; give --client-id, --key"),
    (["run", "flood", "--key", "k", "--ending", "no/e.json"], 1, "--ending no/e.json cannot be written: No such file"),
    (["run", "flood", "--url", "localhost:8000"], 2, "'localhost:8000' is not an address; write it like http://127.0."),
    (["run", "flood", "--url", "ftp://there"], 2, "'ftp://there' is not an address; write it like http://127.0.0.1:8"),
    (["run", "flood", "--duration", "0s"], 2, "argument --duration: it must be above 0"),
    (["run", "flood", "--security", "MSFT,"], 2, "'MSFT,' has an empty name; write names like MSFT,AAPL"),
    (["run", "switch.py", "--careful", "yes"], 2, "argument --careful: write true or false"),
    (["run", "flood", "--raet", "1"], 2, "unrecognized arguments: --raet 1"),
    (["simulate"], 2, "the following arguments are required: TARGET"),
    (["simulate", "flood", "--security", ""], 2, "'' has an empty name; write names like MSFT,AAPL"),
    (["simulate", "flood", "--seed", "x"], 2, "argument --seed: invalid int value: 'x'"),
    (["crew", "flood"], 2, "the following arguments are required: --bot"),
    (["crew", "flood", "--bot", "FLOOD"], 1, "--bot FLOOD must be like ALICE=MSFT, or ALICE=MSFT+AAPL"),
    (["newsroom", "--keys-file", "no.json"], 1, "there is no key: no.json does not exist; give another --keys-file"),
    (["simulate", "flood", "--duration", "0"], 1, "--duration must be above 0"),
    (["simulate", "flood", "--against", "no_such"], 1, "there is no strategy no_such; choose one of "),
    (["simulate", "flood", "--latency-ms", "-1"], 1, "--latency-ms must not be negative"),
    (["new", "7"], 1, "7 does not make a class name; begin it with a letter"),
    (["new", "taken"], 1, "taken.py cannot be written: File exists"),
    (["new", "no/such/folder/bot"], 1, "no/such/folder/bot.py cannot be written: No such file or directory"),
    (["tournament", "no.toml"], 1, "no.toml"),
    (["tournament", "league.toml"], 1, "name: Input should be a valid string"),
    (["tournament", "--duration", "soon"], 1, "--duration: 'soon' is not a duration; write 8h, 1h30m, 45s or"),
    (["tournament", "--processes", "0"], 2, "argument --processes: '0' is not a number from 1 up"),
    (["tournament", "--with", "syntax.py"], 1, "syntax.py, line 3: SyntaxError: invalid syntax"),
    (["tournament", "--output", "."], 1, "--output: . exists already; a result needs a new folder"),
    (["verify", "nothing"], 1, "result.json cannot be read: No such file or directory"),
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, content in FILES.items():
        (tmp_path / name).write_text(content)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(("arguments", "status", "sentence"), BOTS, ids=[" ".join(row[0]) or "-" for row in BOTS])
def test_a_wrong_command_of_the_bots(
    capsys: pytest.CaptureFixture[str], arguments: list[str], status: int, sentence: str
) -> None:
    try:
        ended = bots.main(arguments)
    except SystemExit as ending_:
        ended = int(str(ending_.code))
    said = capsys.readouterr().err.strip().splitlines()
    assert (ended, sentence in "\n".join(said)) == (status, True), said
    assert "Traceback" not in "".join(said)
    # argparse shows the usage first, and a tournament's files are reported with all their faults.
    assert len(said) == 1 or status == 2 or arguments[0] in {"tournament", "verify"}


def _settings() -> None:
    own_settings.settings.__wrapped__()


def _worker(**options: Any) -> None:
    _prepare_worker(SimpleNamespace(hostname="celery@here"), SimpleNamespace(), options)


# A variable of `make up` or a setting, and what is said about it.
VARIABLES: list[tuple[dict[str, str], Callable[[], object], str]] = [
    ({"DATA_FEED_WORKERS": "two"}, partial(from_environment, os.environ), "wrong DATA_FEED_WORKERS: it must be a nu"),
    ({"ORDER_ENTRY_WORKERS": "0"}, partial(from_environment, os.environ), "wrong ORDER_ENTRY_WORKERS: it must be a"),
    ({"MATCHING_STANDBYS": "9"}, partial(from_environment, os.environ), "wrong MATCHING_STANDBYS: it must be a num"),
    ({"API_PORT": "80000"}, _settings, "wrong setting API_PORT: Input should be less than or equal to 65535; correct"),
    ({"SHARDS": "many"}, _settings, "wrong setting SHARDS: "),
    ({"BROKER_URL": "http://there"}, _settings, "wrong setting BROKER_URL: Value error, must start with amqp://"),
    ({"MARKET_DATA_URL": "mysql://x"}, _settings, "wrong setting MARKET_DATA_URL: Value error, must start with postg"),
    ({"ALLOWED_ORIGINS": "example.com"}, _settings, "wrong setting ALLOWED_ORIGINS: Value error, must be * or origins"),
    ({"TRUSTED_PROXIES": "proxy"}, _settings, "wrong setting TRUSTED_PROXIES: "),
    ({"FLOWER_BASIC_AUTH": "secret"}, _settings, "wrong setting FLOWER_BASIC_AUTH: Value error, must be name:password"),
    ({}, partial(_worker, queues="order_entri"), "there is no queue order_entri; -Q takes one or more of: order_entr"),
    ({}, _worker, "name the queues of this worker with -Q, one or more of: order_entry, "),
    ({}, partial(_worker, queues="data_feed", concurrency=4), "a worker handles its batches in one process: leave ou"),
    ({}, partial(_worker, queues="data_feed", pool_cls="gevent"), "a worker handles its batches in one process: "),
    ({}, partial(_worker, queues="data_feed", autoscale="3,1"), "a worker handles its batches in one process: "),
    ({}, partial(make.main, ["upp"]), "unknown command: python3 -m deploy.local takes one of: up, down, status, "),
]


@pytest.mark.parametrize(("variables", "use", "sentence"), VARIABLES, ids=[row[2][:40] for row in VARIABLES])
def test_a_wrong_variable_or_option(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    variables: dict[str, str],
    use: Callable[[], object],
    sentence: str,
) -> None:
    for name, text in variables.items():
        monkeypatch.setenv(name, text)
    with pytest.raises((Failure, SystemExit)) as ended:
        use()
    said = capsys.readouterr().err.strip() or str(ended.value)
    assert said.startswith(sentence)
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("shards", "N is missing: make shards N=4"),
        ("move SECURITY=MSFT", "SHARD is missing: make move SECURITY=MSFT SHARD=3"),
        ("move SHARD=1", "SECURITY is missing: make move SECURITY=MSFT SHARD=3"),
        ("republish SHARD=0", "FROM is missing: make republish SHARD=0 FROM=123"),
        ("competition", "CASE is missing: make competition CASE=deploy/cases/first-hour.toml"),
    ],
)
def test_make_without_a_variable_that_a_command_needs(command: str, sentence: str) -> None:
    ended = subprocess.run(
        ["make", *command.split()], capture_output=True, text=True, timeout=60, cwd=ROOT, check=False
    )
    assert ended.returncode == 2
    assert ended.stderr.splitlines()[0] == sentence


def test_flower_is_not_open_to_others() -> None:
    assert flower.refusal(Settings(flower_address="0.0.0.0")) == (
        "Flower would listen on 0.0.0.0 without a password: set FLOWER_BASIC_AUTH=name:password, "
        "or let it listen on 127.0.0.1"
    )


# -- how a command ends --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "status", "sentence"),
    [
        ("import no_such_extra", 1, "python -m bots: played needs no_such_extra, which is not installed: `make tourn"),
        ("def main(_): raise KeyboardInterrupt", 130, "python -m bots: interrupted"),
        ("def main(_): open('/proc/no/such', 'w')", 1, "python -m bots: /proc/no/such: No such file or directory"),
    ],
)
def test_whatever_ends_a_command_of_the_bots_is_said_in_one_sentence(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    body: str,
    status: int,
    sentence: str,
) -> None:
    (folder / "played_by_test.py").write_text(body)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setitem(bots.COMMANDS, "played", ("played_by_test", ""))
    monkeypatch.delitem(sys.modules, "played_by_test", raising=False)
    assert bots.main(["played"]) == status
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith(sentence)


def _raise(fault: BaseException) -> int:
    raise fault


@pytest.mark.parametrize(
    ("fault", "status", "sentence"),
    [
        (Failure("start it with `make up`"), 1, "start it with `make up`"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (PermissionError(13, "Permission denied", "/run"), 1, "/run: Permission denied; correct that and run the com"),
    ],
)
def test_whatever_ends_a_command_of_make_is_said_in_one_sentence(
    capsys: pytest.CaptureFixture[str], fault: BaseException, status: int, sentence: str
) -> None:
    assert ending(lambda: _raise(fault)) == status
    (said,) = capsys.readouterr().err.strip().splitlines()
    assert said.startswith(sentence)


def test_an_interrupted_start_says_what_keeps_running() -> None:
    for command, left in (
        ("up", "what has started keeps running; `make down` stops it"),
        ("down", "`make down` continues"),
    ):
        program = (
            "import runpy, deploy.local.lock as lock\n"
            "def interrupt(*_): raise KeyboardInterrupt\n"
            "lock.alone = interrupt\n"
            f"runpy.run_module('deploy.local.commands.{command}', run_name='__main__')"
        )
        ended = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, cwd=ROOT, check=False
        )
        assert ended.returncode == 130
        assert left in ended.stderr
        assert len(ended.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    "command",
    [
        ("-m", "bots", "simulate", "flood", "--duration", "1s"),
        ("-c", "from deploy.local.failure import ending; raise SystemExit(ending(lambda: print('x' * 100_000) or 0))"),
    ],
    ids=["bots", "make"],
)
def test_a_closed_pipe_ends_a_command_quietly(command: tuple[str, ...]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    ended = subprocess.run(
        [sys.executable, *command], stdout=writer, stderr=subprocess.PIPE, text=True, timeout=60, cwd=ROOT, check=False
    )
    os.close(writer)
    assert (ended.returncode, ended.stderr) == (141, "")


def test_an_exchange_that_never_answers_is_no_success(tmp_path: Path) -> None:
    file = tmp_path / "ending.json"
    ended = subprocess.run(
        [sys.executable, "-m", "bots", "flood", "--key=k", f"--url={NOWHERE}", "--duration=2s", f"--ending={file}"],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=ROOT,
        check=False,
    )
    assert ended.returncode == 6
    assert f"python -m bots: {NOWHERE} did not answer in " in ended.stderr
    assert '"outcome":"unreachable"' in file.read_text()


def test_help_lists_the_options_before_a_strategy_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    for command, options in (("run", ("--security", "--duration", "--ending")), ("simulate", ("--against", "--seed"))):
        with pytest.raises(SystemExit) as ended:
            bots.main([command, "--help"])
        assert ended.value.code == 0
        shown = capsys.readouterr().out
        assert all(option in shown for option in options)
        assert "--seconds" not in shown
        assert "--minutes" not in shown

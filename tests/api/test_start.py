"""Failed starts of the api: one clear sentence, and exit status 1."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.side_by_side import free_port
from tests.support.web import ROOT


def _start(module: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", module],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )


def test_a_port_in_use() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ended = _start("api", API_PORT=port)
    assert ended.returncode == 1
    assert ended.stderr == (
        f"the api cannot listen on 127.0.0.1:{port} (Address already in use): "
        "stop the program that listens there, or set API_HOST and API_PORT, and start again\n"
    )


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    ended = _start("api", API_PORT=str(free_port()), RUN_DIRECTORY=str(tmp_path / "file"))
    assert ended.returncode == 1
    assert ended.stderr == (
        f"the api cannot write to {tmp_path / 'file'} (Not a directory): "
        "make room there, or set RUN_DIRECTORY to a folder of this user, and start again\n"
    )


@pytest.mark.parametrize("module", ["api", "api.streams"])
@pytest.mark.parametrize(
    ("name", "value"),
    [("API_PORT", "eighty"), ("BROKER_URL", "http://x"), ("CLEARING_DATA_URL", "sqlite://"), ("KEY_CACHE_S", "-1")],
)
def test_a_wrong_setting(module: str, name: str, value: str) -> None:
    ended = _start(module, **{name: value})
    assert ended.returncode == 1
    assert len(ended.stderr.splitlines()) == 1
    assert ended.stderr.startswith(f"wrong setting {name}: ")


def test_streams_twice(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as taken:
        taken.bind(str(tmp_path / "streams.sock"))
        taken.listen()
        ended = _start("api.streams", RUN_DIRECTORY=str(tmp_path))
    assert ended.returncode == 1
    assert len(ended.stderr.splitlines()) == 1
    assert "another process serves the streams already" in ended.stderr

"""The files of the page: their names and types, and the policy on what the page may load and run."""

from __future__ import annotations

import hashlib

import pytest

from api.dashboard.files import FOLDER, HEAD, TYPES
from db.clearing_data.clients.keys import make_key
from db.connect import Database
from tests.api.conftest import Keys
from tests.support.web import Api, problem

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
FILES = sorted(path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*") if path.is_file())


@pytest.mark.parametrize("accept", ["*/*", "application/json", "application/json, text/html", ""])
def test_a_program_gets_the_root_as_json(api: Api, accept: str) -> None:
    answer = api.ask("GET", "/", headers={"Accept": accept})
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json()["orders"] == "/orders"
    assert answer.headers["Vary"] == "Accept"


def test_a_browser_gets_the_page_which_loads_and_runs_our_files_only(api: Api) -> None:
    answer = api.ask("GET", "/", headers=BROWSER)
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    head = (FOLDER / HEAD).read_text()
    assert answer.text == (FOLDER / "index.html").read_text().replace("<!-- head.html -->\n", head)
    assert answer.text.count(head) == 1
    assert answer.headers["Vary"] == "Accept"
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
    assert "unsafe" not in policy


@pytest.mark.parametrize("name", FILES)
def test_each_file_is_served_with_its_type(api: Api, name: str) -> None:
    answer = api.ask("GET", f"/static/{name}")
    head = (FOLDER / HEAD).read_bytes()
    assert answer.content == (FOLDER / name).read_bytes().replace(b"<!-- head.html -->\n", head)
    suffix = name[name.rfind(".") :] if "." in name else ""
    assert answer.headers["Content-Type"] == TYPES.get(suffix, "text/plain; charset=utf-8")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_a_cached_file_is_not_sent_again(api: Api) -> None:
    first = api.ask("GET", "/static/js/main.js")
    assert first.headers["Cache-Control"] == "no-cache"
    again = api.ask("GET", "/static/js/main.js", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    other = api.ask("GET", "/static/js/market.js", headers={"If-None-Match": first.headers["ETag"]})
    assert other.status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/static/",
        "/static/js",
        "/static/none.js",
        "/static/../routes.py",
        "/static/%2e%2e/routes.py",
        "/static/js/..%2f..%2f..%2froutes.py",
        "/static//etc/passwd",
        "/static/%2fetc%2fpasswd",
        "/static/js/main.js%00.html",
        "/static/js\\main.js",
    ],
)
def test_only_the_files_of_the_page_are_served(api: Api, path: str) -> None:
    # Sent verbatim: a client that normalises the path would request something else.
    answer = api.raw(f"GET {path} HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n".encode())
    assert answer.split(b"\r\n", 1)[0].split()[1] in (b"404", b"400")
    assert b"application/problem+json" in answer


def test_vendored_files_are_as_published() -> None:
    vendor = FOLDER / "vendor"
    listed = dict(reversed(line.split("  ")) for line in (vendor / "checksums.sha256").read_text().splitlines())
    found = {
        path.relative_to(vendor).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in vendor.rglob("*")
        if path.is_file() and path.name != "checksums.sha256"
    }
    assert found == listed
    for library in vendor.iterdir():
        assert library.is_file() or (library / "LICENSE").is_file(), f"{library.name} has no licence"


def test_whoami_names_the_owner_of_the_key(api: Api, keys: Keys, clearing_data: Database) -> None:
    with clearing_data.transaction() as tx:
        reader = make_key(tx, "SINGLE", role="client", now_us=1, read_only=True)
    expected = {
        keys.admin: {"client_id": None, "role": "admin", "read_only": False},
        keys.single: {"client_id": "SINGLE", "role": "client", "read_only": False},
        reader: {"client_id": "SINGLE", "role": "client", "read_only": True},
    }
    for key, members in expected.items():
        answer = api.ask("GET", "/whoami", key=key)
        assert (answer.status_code, answer.json()) == (200, members)
        assert answer.headers["Cache-Control"] == "no-store"
    assert problem(api.ask("GET", "/whoami"))["code"] == "unauthorized"

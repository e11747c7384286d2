"""The documents name only commands, variables, files, folders, modules and sections that exist."""

from __future__ import annotations

import re
import subprocess
from importlib.util import find_spec
from pathlib import Path

import pytest

from bots.live.command import KEY_VARIABLE
from celery_app.settings import Settings
from deploy.local.__main__ import COMMANDS
from deploy.local.addresses import SERVICE_URLS
from deploy.local.variables import from_environment
from tests.support.exchange import ROOT

DOCUMENTS = [ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md")] + sorted(
    (ROOT / "docs").glob("*.md")
)
MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))

# Variables of `make` that are not settings of a process, the variable of a bot, and those of containers.
IN_CONTAINERS = re.findall(r"^(\w+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)
OTHER_VARIABLES = {
    "ARGS", "BOTS", "MINUTES", "SEED", "TRUSTED_PROXIES", KEY_VARIABLE, *from_environment({}).counts, *SERVICE_URLS,
    *IN_CONTAINERS,
}  # fmt: skip

# What readers write or make themselves.
OWN_FILES = {"league.toml", "my.toml", "my_bot.py"}
OWN_FOLDERS = {"tournaments", "matches"}

PACKAGES = {path.name for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith(".")} - OWN_FOLDERS
FILES = {path.relative_to(ROOT) for package in PACKAGES for path in (ROOT / package).rglob("*.py")}
FOLDERS = {path.relative_to(ROOT) for package in PACKAGES for path in (ROOT / package).rglob("*") if path.is_dir()}

EACH_DOCUMENT = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)
OPERATIONS = (ROOT / "docs" / "operations.md").read_text()


def code_of(text: str) -> list[str]:
    """Return the code in a text, inline and in blocks."""
    return re.findall(r"```\w*\n(.*?)```", text, re.DOTALL) + re.findall(r"(?<!`)`([^`\n]+)`(?!`)", text)


@EACH_DOCUMENT
def test_every_make_command_exists(document: Path) -> None:
    for code in code_of(document.read_text()):
        for target in re.findall(r"\bmake ([a-z-]+)", code):
            assert target in TARGETS, f"{document.name} speaks of `make {target}`"


@EACH_DOCUMENT
def test_every_path_exists(document: Path) -> None:
    folders = "|".join(PACKAGES)
    for code in code_of(document.read_text()):
        for path in re.findall(rf"(?<![\w/.])((?:{folders})/[\w/.-]*\w|\w[\w.-]*\.(?:toml|yml|md))(?![\w*])", code):
            assert path in OWN_FILES or (ROOT / path).exists(), f"{document.name} speaks of {path}"


@EACH_DOCUMENT
def test_every_module_and_folder_exists(document: Path) -> None:
    names = {file.name for file in FILES} | OWN_FILES
    folders = {folder.name for folder in FOLDERS} | PACKAGES | OWN_FOLDERS
    for code in code_of(document.read_text()):
        for name in re.findall(r"(?<![\w/.*])([a-z0-9_]+\.py)\b", code):
            assert name in names, f"{document.name} speaks of {name}"
        for folder in re.findall(r"^(\w+)/$", code):
            assert folder in folders, f"{document.name} speaks of {folder}/"
        for name in re.findall(rf"(?<![\w/.-])((?:{'|'.join(PACKAGES)})(?:\.\w+)+)(?![\w(*/])", code):
            path = Path(*name.split("."))
            assert path in FOLDERS or path.with_suffix(".py") in FILES, f"{document.name} speaks of {name}"


@EACH_DOCUMENT
def test_every_link_leads_somewhere(document: Path) -> None:
    for link in re.findall(r"\]\((?!http)([^)]+)\)", document.read_text()):
        name, _, section = link.partition("#")
        target = document.parent / name if name else document
        assert target.exists(), f"{document.name} links to {link}"
        if section:
            headings = re.findall(r"^#+ (.*)$", target.read_text(), re.MULTILINE)
            anchors = {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}
            assert section in anchors, f"{document.name} links to {link}"


@EACH_DOCUMENT
def test_every_variable_is_one(document: Path) -> None:
    known = OTHER_VARIABLES | {name.upper() for name in Settings.model_fields}
    for code in code_of(document.read_text()):
        for name in re.findall(r"(?<![\w$.])([A-Z]+(?:_[A-Z]+)+)(?![\w-])", code):
            assert name in known, f"{document.name} speaks of {name}"


def test_the_variables_of_make_up_have_the_documented_defaults() -> None:
    defaults = {name.upper(): str(field.default) for name, field in Settings.model_fields.items()}
    defaults |= {name: str(count) for name, count in from_environment({}).counts.items()}
    documented = dict(
        re.findall(r"`([A-Z_]+)=(\d+)`", OPERATIONS.split("Variables of `make up`", 1)[1].split("\n\n", 1)[0])
    )
    assert len(documented) >= 6
    assert documented == {name: defaults[name] for name in documented}


@pytest.mark.parametrize("target", sorted(TARGETS))
def test_every_target_is_documented_and_runs_a_command_that_exists(target: str) -> None:
    assert f"`make {target}`" in OPERATIONS
    said = subprocess.run(["make", "-n", target], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    command = re.search(r"-m deploy\.local (\w+) ?(\S*)", said)
    if target in ("help", "requirements"):
        assert command is None
    else:
        assert command
        assert command[1] in COMMANDS
        assert find_spec(command[2] if command[1] == "run" else f"deploy.local.commands.{command[1]}")


def test_make_help_lists_every_target() -> None:
    said = subprocess.run(["make", "help"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert set(re.findall(r"^make ([a-z-]+)", said, re.MULTILINE)) == TARGETS

"""The access of a command to the exchange: its address, and the file with the keys of the accounts."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

# Defaults of the command lines.
URL = os.environ.get("EXCHANGE_URL", "http://127.0.0.1:8000")
KEYS_FILE = Path(os.environ.get("EXCHANGE_KEYS_FILE", ".run/keys.json"))
# The admin's entry in the file of keys; every other one is the client id of an account.
ADMIN_ENTRY = "admin"


class CannotTrade(Exception):
    """The bot cannot start; the message says why in one sentence."""


class Options(Protocol):
    """A command line, or a group of its options."""

    def add_argument(self, *names: str, **details: Any) -> argparse.Action:
        """Add an option."""


def add_url(options: Options, *, of: str = "the exchange") -> None:
    """Add the option for the address of the exchange."""
    options.add_argument("--url", type=_address, default=URL, help=f"{of} (default: $EXCHANGE_URL, now %(default)s)")


def _address(text: str) -> str:
    """Read the address of an exchange from a command line, for argparse. Raises ArgumentTypeError."""
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise argparse.ArgumentTypeError(f"{text!r} is not an address; write it like http://127.0.0.1:8000")
    return text.rstrip("/")


def add_keys_file(options: Options, *, keys: str = "the key of each account") -> None:
    """Add the option for the file of keys; `keys` says which of them the command needs."""
    options.add_argument(
        "--keys-file",
        type=Path,
        metavar="FILE",
        default=KEYS_FILE,
        help=f"JSON file with {keys} (default: $EXCHANGE_KEYS_FILE, now %(default)s)",
    )


def key_of(file: Path, client_id: str, *, instead: str = "") -> str:
    """Read an account's key from a file of keys.

    instead  the command's other options that would help, for the error
    raises   CannotTrade  the file has no key of the account
    """
    remedy = f"give {instead} or another --keys-file" if instead else "give another --keys-file"
    try:
        keys = json.loads(file.read_text())
    except FileNotFoundError:
        raise CannotTrade(f"there is no key: {file} does not exist; {remedy}") from None
    except (OSError, ValueError) as fault:
        raise CannotTrade(f"the keys file {file} cannot be read: {fault}") from None
    key = keys.get(client_id) if isinstance(keys, dict) else None
    if not isinstance(key, str):
        raise CannotTrade(f"{file} has no key for {client_id}; {remedy}")
    return key

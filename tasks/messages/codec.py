"""Messages and lines of the order log as JSON."""

from __future__ import annotations

from typing import Any

import msgspec

from tasks.messages.commands import Command

CONTENT_TYPE = "application/json"

encode = msgspec.json.encode

_command_decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(Command)


def encode_command(command: Command) -> str:
    """Return a command as a line of the order log, in JSON."""
    return encode(command).decode()


def decode_command(text: str | bytes) -> Command:
    """Decode a line of the log; raise msgspec.ValidationError if it is not a command."""
    command: Command = _command_decoder.decode(text)
    return command

"""`make lint`: checks style, format, types and imports."""

from __future__ import annotations

import subprocess

from deploy.local.failure import ending
from deploy.local.places import VIRTUAL_ENVIRONMENT
from deploy.local.steps import step

_CHECKS = {
    "style": ("ruff", "check", "--quiet"),
    "format": ("ruff", "format", "--check", "--quiet"),
    "types": ("mypy", "--no-error-summary"),
    "imports": ("lint-imports",),
}


def main() -> int:
    """Run all checks; exit status 1 if one of them fails."""
    passed = [_passes(what, command) for what, command in _CHECKS.items()]
    return 0 if all(passed) else 1


def _passes(what: str, command: tuple[str, ...]) -> bool:
    program, *arguments = command
    with step(what):
        done = subprocess.run(
            [VIRTUAL_ENVIRONMENT / "bin" / program, *arguments], check=False, capture_output=True, text=True
        )
    if done.returncode != 0:
        print(done.stdout + done.stderr)
    return done.returncode == 0


if __name__ == "__main__":
    raise SystemExit(ending(main))

"""`make tournament`: lets bots compete, with `--live` on the running exchange."""

from __future__ import annotations

import os
import sys

from celery_app.settings import Settings
from deploy.local import environment_file
from deploy.local.failure import Failure, ending
from deploy.local.places import EXCHANGE, VENV_PYTHON
from deploy.local.supervisor import Supervisor


def main() -> int:
    """Replace this process by the command of the bots."""
    if "--live" in sys.argv and "EXCHANGE_URL" not in os.environ:
        if not Supervisor(EXCHANGE).runs():
            raise Failure("the exchange is not running: start it with `make up BOTS=none`")
        # Bots use the front door: of the exchange's environment, which has passwords, they get the port only.
        os.environ["EXCHANGE_URL"] = f"http://127.0.0.1:{_api_port()}"
        os.environ.setdefault("EXCHANGE_KEYS_FILE", str(EXCHANGE.directory / "keys.json"))
    os.execv(VENV_PYTHON, [str(VENV_PYTHON), "-m", "bots", "tournament", *sys.argv[1:]])


def _api_port() -> str:
    default = str(Settings.model_fields["api_port"].default)
    return environment_file.read(EXCHANGE).get("API_PORT", default)


if __name__ == "__main__":
    raise SystemExit(ending(main))

import os

import pytest


@pytest.fixture(scope="session")
def broker_url():
    return os.environ["BROKER_URL"]

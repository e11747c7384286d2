"""Prometheus accepts its configuration, every alert fires when it should, and all metrics exist."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "observability"
RULES = [rule for group in yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"] for rule in group["rules"]]
DASHBOARD = json.loads((FOLDER / "grafana" / "exchange.json").read_text())
EXPRESSIONS = [rule["expr"] for rule in RULES] + [
    target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]
]


@pytest.mark.parametrize(
    "arguments",
    ["check config prometheus.yml", "check rules alerts.yml", "test rules alerts.test.yml"],
)
def test_promtool_is_content(arguments: str) -> None:
    done = subprocess.run(
        ["promtool", *arguments.split()], cwd=FOLDER, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_is_tested_when_it_fires_and_when_it_does_not() -> None:
    quiet, loud = yaml.safe_load((FOLDER / "alerts.test.yml").read_text())["tests"]
    names = [rule["alert"] for rule in RULES]
    assert [test["alertname"] for test in quiet["alert_rule_test"] if "exp_alerts" not in test] == names
    assert [test["alertname"] for test in loud["alert_rule_test"] if test["exp_alerts"]] == names


def test_alerts_and_dashboard_use_only_metrics_that_the_api_serves() -> None:
    served = set(re.findall(r"^\| `(exchange_\w+)", (ROOT / "docs" / "operations.md").read_text(), re.MULTILINE))
    used = {name for expression in EXPRESSIONS for name in re.findall(r"exchange_\w+", expression)}
    assert used
    assert used <= served


def test_every_panel_has_a_place_of_its_own() -> None:
    cells: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        mine = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not mine & cells, panel["title"]
        assert max(x for x, _ in mine) < 24
        cells |= mine

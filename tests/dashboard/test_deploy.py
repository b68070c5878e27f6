"""deploy/: Prometheus and Grafana ask for what there is, in words that they understand."""

from __future__ import annotations

import json
import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import combinations
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from core.messages import ALERTS_GROUP
from headcount.ports import free_port
from tests.dashboard.conftest import RunningDashboard
from tests.dashboard.locked import HIDDEN, SEEN, Locked
from tests.dashboard.scraping import scraped
from tests.promtool import installed
from tests.waiting import wait_until

REPOSITORY = Path(__file__).parents[2]
DEPLOY = REPOSITORY / "deploy"
RULES = DEPLOY / "prometheus-alerts.yaml"
BOARD = json.loads((DEPLOY / "grafana-dashboard.json").read_text())
OF_PROMETHEUS = {"instance", "job"}  # labels that it adds to every sample
VARIABLES = {"$site": ".*", "$camera": ".*", "$zone": ".*", "$__rate_interval": "10s"}
NAME = re.compile(r"\bheadcount_\w+")
SELECTOR = re.compile(r"\b(headcount_\w+)\{([^}]*)\}")
MATCHER = re.compile(r'(\w+)\s*(?:=~|!~|!=|=)\s*"')
COMMENTED = re.compile(r"^    # (authorization:|  credentials_file:)", re.MULTILINE)
GROUPING = re.compile(r"\b(?:by|on|without|ignoring)\s*\(([^)]*)\)")


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    return [panel for panel in BOARD["panels"] if panel["type"] != "row"]


def expressions() -> dict[str, str]:
    """Every expression of both files, by where it stands."""
    found = {f"alert {rule['alert']}": rule["expr"] for rule in rules()}
    for panel in panels():
        for target in panel["targets"]:
            found[f"panel {panel['title']} {target['refId']}"] = filled(target["expr"])
    return found


def filled(expression: str) -> str:
    """An expression with values in the place of Grafana's variables."""
    for name, value in VARIABLES.items():
        expression = expression.replace(name, value)
    assert "$" not in expression
    return expression


@pytest.fixture
def exposed(told: RunningDashboard) -> Iterator[RunningDashboard]:
    """The dashboard, with a consumer group as the alerts service makes it, and all services."""
    stream = told.feeder.keys.readings(0)
    told.feeder.client.xgroup_create(stream, ALERTS_GROUP, id="0")
    yield told
    told.feeder.client.xgroup_destroy(stream, ALERTS_GROUP)


def labels_of(dashboard: RunningDashboard) -> dict[str, set[str]]:
    """The labels of every metric that the dashboard exposes, by the name in expressions."""
    found: dict[str, set[str]] = {}
    for family in scraped(dashboard.http).families:
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


def test_every_name_and_label_that_is_asked_for_is_exposed(exposed: RunningDashboard) -> None:
    def complete() -> dict[str, set[str]] | None:
        found = labels_of(exposed)
        return found if {"headcount_level", "headcount_camera_unknown"} <= found.keys() else None

    known = wait_until(complete)
    assert known is not None
    for place, expression in expressions().items():
        names = NAME.findall(expression)
        assert [name for name in names if name not in known] == [], place
        for name, matchers in SELECTOR.findall(expression):
            asked = set(MATCHER.findall(matchers)) - OF_PROMETHEUS
            assert asked <= known[name], (place, name)
        anywhere = set().union(*(known[name] for name in names)) | OF_PROMETHEUS
        for grouping in GROUPING.findall(expression):
            assert {label.strip() for label in grouping.split(",")} <= anywhere, place


def test_legends_and_variables_name_labels_that_exist(exposed: RunningDashboard) -> None:
    known = labels_of(exposed)
    for panel in panels():
        for target in panel["targets"]:
            names = NAME.findall(target["expr"])
            labels = set().union(*(known[name] for name in names))
            asked = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
            assert asked <= labels, panel["title"]
    for variable in BOARD["templating"]["list"]:
        if variable["type"] == "query":
            inside = variable["definition"].removeprefix("label_values(").removesuffix(")")
            selector, _, label = inside.rpartition(", ")
            (name,) = NAME.findall(selector)
            assert label in known[name] | OF_PROMETHEUS


@contextmanager
def prometheus(folder: Path, target: str, token: str = "") -> Iterator[httpx.Client]:
    """A real Prometheus with deploy's own configuration, which asks ``target`` each second.

    With a token, the configuration is as operating.md says for a site with a login.
    """
    text = (DEPLOY / "prometheus.yaml").read_text()
    if token:
        (folder / "token").write_text(f"{token}\n")
        text = COMMENTED.sub(r"    \1", text).replace("/site/prometheus-token", "token")
    configuration = yaml.safe_load(text)
    configuration["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    configuration["scrape_configs"][0]["static_configs"][0]["targets"] = [target]
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(configuration))
    (folder / RULES.name).write_text(RULES.read_text())
    port = free_port()
    options = {
        "config.file": folder / "prometheus.yaml",
        "storage.tsdb.path": folder / "data",
        "web.listen-address": f"127.0.0.1:{port}",
    }
    command = [
        installed("prometheus"),
        *(f"--{name}={value}" for name, value in options.items()),
    ]
    with (
        (folder / "log").open("w") as log,
        subprocess.Popen(command, stdout=log, stderr=log) as process,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10) as client,
    ):
        try:
            yield client
        finally:
            process.terminate()


def answered(client: httpx.Client, expression: str) -> list[Any]:
    """The values of an expression now; none before Prometheus is ready."""
    try:
        answer = client.get("/api/v1/query", params={"query": expression})
    except httpx.TransportError:
        return []
    if answer.status_code == 503:
        return []
    document = answer.json()
    assert document["status"] == "success", (expression, document)
    result: list[Any] = document["data"]["result"]
    return result


@pytest.mark.parametrize(
    ("user", "cameras"), [("watcher", {SEEN, HIDDEN}), ("visitor", {SEEN}), ("", set())]
)
def test_prometheus_asks_with_the_token_of_a_viewer(
    locked: Locked, tmp_path: Path, user: str, cameras: set[str]
) -> None:
    target = locked.address.removeprefix("http://")
    with prometheus(tmp_path, target, locked.tokens.get(user, "")) as client:

        def is_up() -> list[str]:
            return [sample["value"][1] for sample in answered(client, "up")]

        wait_until(lambda: is_up() == ["1" if user else "0"], 20, 0.2)
        counted = answered(client, 'count by (camera) ({camera!=""})')
        assert {sample["metric"]["camera"] for sample in counted} == cameras


def test_every_panel_has_data_and_the_alerts_fire(
    exposed: RunningDashboard, tmp_path: Path
) -> None:
    waiting = {place: text for place, text in expressions().items() if place.startswith("panel")}

    def firing(client: httpx.Client) -> set[str]:
        alerts = client.get("/api/v1/alerts").json()["data"]["alerts"]
        return {alert["labels"]["alertname"] for alert in alerts}

    with prometheus(tmp_path, exposed.address.removeprefix("http://")) as client:

        def all_have_data() -> bool:
            for place, text in list(waiting.items()):
                if answered(client, text):
                    del waiting[place]
            return not waiting

        try:
            wait_until(all_have_data, 15, 0.5)
        except AssertionError:
            pytest.fail(f"without data: {sorted(waiting)}; {(tmp_path / 'log').read_text()[-800:]}")
        # Pending counts: what is wrong here has not lasted for long.
        expected = {"HeadcountCameraUnknown", "HeadcountWorkerTooSlow", "HeadcountNoticesFailing"}
        wait_until(lambda: expected <= firing(client), 10, 0.5)
        wrong = {"HeadcountDashboardDown", "HeadcountBrokerDown", "HeadcountServiceMissing"}
        assert firing(client) & wrong == set()


def test_the_rules_are_well_formed_and_say_what_to_do(tmp_path: Path) -> None:
    promtool = installed("promtool")
    for kind, file in (("rules", RULES), ("config", DEPLOY / "prometheus.yaml")):
        subprocess.run([promtool, "check", kind, str(file)], check=True, capture_output=True)
    # Grafana's expressions as rules, so that Prometheus itself reads them.
    recorded = [
        {"record": f"panel:{number}", "expr": text}
        for number, text in enumerate(expressions().values())
    ]
    written = tmp_path / "panels.yaml"
    written.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": recorded}]}))
    subprocess.run([promtool, "check", "rules", str(written)], check=True, capture_output=True)

    names = Counter(rule["alert"] for rule in rules())
    assert max(names.values()) == 1
    for rule in rules():
        assert rule["labels"]["severity"] in ("warning", "critical")
        texts = rule["annotations"]
        assert texts.keys() == {"summary", "description", "runbook"}
        document, _, anchor = texts["runbook"].partition("#")
        titles = re.findall(r"^#+ (.+)$", (REPOSITORY / document).read_text(), re.MULTILINE)
        assert anchor in [title.lower().replace(" ", "-") for title in titles], rule["alert"]


def test_alerts_fire_when_they_should(tmp_path: Path) -> None:
    story = yaml.safe_load((Path(__file__).parent / "alert_stories.yaml").read_text())
    told = tmp_path / "stories.yaml"
    told.write_text(yaml.safe_dump({**story, "rule_files": [str(RULES)]}))
    done = subprocess.run(
        [installed("promtool"), "test", "rules", str(told)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_panels_have_places_of_their_own() -> None:
    ids = Counter(panel["id"] for panel in BOARD["panels"])
    assert max(ids.values()) == 1
    for panel in BOARD["panels"]:
        place = panel["gridPos"]
        assert place["x"] >= 0
        assert place["x"] + place["w"] <= 24
    for one, other in combinations([panel["gridPos"] for panel in BOARD["panels"]], 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        apart = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or apart, (one, other)


def test_the_dashboard_can_be_imported_anywhere() -> None:
    assert BOARD["id"] is None
    assert BOARD["uid"]
    assert BOARD["schemaVersion"] >= 39
    sources = {panel["datasource"]["uid"] for panel in panels()}
    sources |= {target["datasource"]["uid"] for panel in panels() for target in panel["targets"]}
    assert sources == {"${datasource}"}
    (chosen,) = (v for v in BOARD["templating"]["list"] if v["type"] == "datasource")
    assert chosen["query"] == "prometheus"

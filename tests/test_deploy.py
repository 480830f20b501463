"""What is shipped to start and to watch the service names only what there is."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import kubernetes_validate
import pytest
import yaml

from transcode.catalog import Catalog
from transcode.cli.commands.run import transcode as commands
from transcode.deploy.functiongraph_state import SWEEP_EVERY
from transcode.deploy.kubernetes import RIGHTS
from transcode.serve.metrics import SERIES
from transcode.settings import PREFIX, Settings

ROOT = Path(__file__).resolve().parents[1]


def read(name: str) -> Any:
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


def series_in(expression: str) -> set[str]:
    return set(re.findall(r"\btranscode_\w+", expression))


def exposed() -> set[str]:
    """Every name under which a series can be asked for."""
    names = {series.name for series in SERIES}
    buckets = {f"{s.name}_bucket" for s in SERIES if s.kind == "histogram"}
    return names | buckets


def labels_in(expression: str) -> set[str]:
    """Those that are compared or grouped by."""
    named = re.findall(r"(\w+)\s*(?:=~|!=|=)\s*\"", expression)
    grouped = re.findall(r"by \(([^)]*)\)", expression)
    return {*named, *(name.strip() for group in grouped for name in group.split(","))}


def test_dashboard_and_alerts_ask_for_series_that_exist() -> None:
    """Each by its name and its labels; and every series is on the dashboard."""
    dashboard = json.loads((ROOT / "deploy/grafana/transcode.json").read_text())
    shown = [t["expr"] for panel in dashboard["panels"] for t in panel["targets"]]
    rules = [r for g in read("deploy/alerts.yaml")["groups"] for r in g["rules"]]
    watched = [rule["expr"] for rule in rules]
    labels = {"le", "job"} | {label for series in SERIES for label in series.labels}

    for expression in shown + watched:
        assert series_in(expression) <= exposed(), expression
        assert labels_in(expression) <= labels, expression
        assert expression.count("(") == expression.count(")"), expression
    names = {name.removesuffix("_bucket") for text in shown for name in series_in(text)}
    assert {series.name for series in SERIES} == names
    assert len(rules) == len({rule["alert"] for rule in rules})
    assert all(rule["annotations"]["summary"] for rule in rules)


def check_command(words: list[str]) -> None:
    """That the command takes every option that it is given."""
    command = commands.get_command(click.Context(commands), words[0])
    assert command is not None
    known = {o for p in command.params if isinstance(p, click.Option) for o in p.opts}
    assert [] == [w for w in words if w.startswith("--") and w not in known], words


def check_settings(names: set[str]) -> None:
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    assert {n for n in names if n.startswith(PREFIX)} <= known


def test_compose_starts_what_there_is() -> None:
    """A command, settings and files that exist, behind a token, with an init."""
    found = read("compose.yaml")
    service = found["services"]["transcode"]

    program, *words = shlex.split(service["command"])
    assert "transcode" == program
    check_command(words)
    check_settings(set(service["environment"]))
    assert service["init"] is True
    assert "?" in service["environment"]["TRANSCODE_TOKEN"]
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    for one in found["services"].values():
        assert {c["source"] for c in one.get("configs", ())} <= set(found["configs"])
        assert set(one.get("depends_on", ())) <= set(found["services"])
        for volume in one.get("volumes", ()):
            source = volume.partition(":")[0]
            there = source in found["volumes"] or (ROOT / source).exists()
            assert there, volume


def test_the_unit_starts_what_there_is() -> None:
    """And its settings."""
    unit = (ROOT / "deploy/transcode.service").read_text(encoding="utf-8")
    (start,) = re.findall(r"^ExecStart=\S*/transcode (.*)$", unit, re.MULTILINE)

    check_command(shlex.split(start))
    check_settings(set(re.findall(r"^Environment=(\w+)=", unit, re.MULTILINE)))


def test_the_workflow_runs_what_a_laptop_runs() -> None:
    """`.ci/run`, on Pythons that are supported."""
    (job,) = read(".github/workflows/ci.yaml")["jobs"].values()
    steps = [step["run"] for step in job["steps"] if "run" in step]

    assert ".ci/run" == steps[-1]
    supported = (ROOT / "pyproject.toml").read_text()
    for version in job["strategy"]["matrix"]["python"]:
        assert f"Python :: {version}" in supported


class Template(yaml.SafeLoader):  # type: ignore[misc]
    """CloudFormation's own tags, as their plain values."""


Template.add_multi_constructor(
    "!",
    lambda loader, _tag, node: (
        loader.construct_scalar(node)
        if isinstance(node, yaml.ScalarNode)
        else loader.construct_sequence(node)
    ),
)


def test_the_template_for_lambda_is_one() -> None:
    """By AWS's own linter, which knows SAM."""
    linter = str(Path(sys.executable).with_name("cfn-lint"))
    argv = [linter, "deploy/aws-lambda/template.yaml"]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)

    assert (0, "") == (done.returncode, done.stdout)


def test_the_template_for_lambda_has_the_functions_that_are_called() -> None:
    """Of the tier of the platform file, set up as the engine wants them."""
    text = (ROOT / "deploy/aws-lambda/template.yaml").read_text(encoding="utf-8")
    template = yaml.load(text, Loader=Template)  # noqa: S506  a safe one
    functions = [
        it["Properties"]
        for name, it in template["Resources"].items()
        if name.startswith("Task")
    ]
    platform = Catalog(Settings()).platform("aws-lambda")
    assert platform.tier is not None
    tier = [*zip(platform.tier.memory_mib, platform.tier.scratch_mib, strict=True)]
    limit = platform.limits.time_limit_seconds

    assert [(*pair, limit, 0, f"${{Name}}-{pair[0]}") for pair in tier] == [
        (
            it["MemorySize"],
            it["EphemeralStorage"]["Size"],
            it["Timeout"],
            it["EventInvokeConfig"]["MaximumRetryAttempts"],
            it["FunctionName"],
        )
        for it in functions
    ]
    clock = template["Resources"]["Upload"]["Properties"]["Events"]["Sweep"]
    every = SWEEP_EVERY.removesuffix("m")
    assert f"rate({every} minutes)" == clock["Properties"]["ScheduleExpression"]
    told = template["Globals"]["Function"]["Environment"]["Variables"]
    assert {*told} <= {*Settings.variables()}
    (policy,) = template["Resources"]["Role"]["Properties"]["Policies"]
    allowed = policy["PolicyDocument"]["Statement"]
    assert not [it for it in allowed if "*" in (it["Action"], it["Resource"])]


@pytest.mark.parametrize("name", ["rbac", "serve"])
def test_manifests_for_kubernetes_are_what_its_api_takes(name: str) -> None:
    """Each by the schema of its kind; and only settings that there are."""
    text = (ROOT / f"deploy/kubernetes/{name}.yaml").read_text(encoding="utf-8")
    documents = [*yaml.safe_load_all(text)]

    for document in documents:
        kubernetes_validate.validate(document, "1.34", strict=True)
    named = {*re.findall(r"TRANSCODE_[A-Z0-9_]+", text)}
    assert named
    assert named <= {*Settings.variables()}


def test_the_image_is_known_not_to_be_roots() -> None:
    """`runAsNonRoot` takes a number only, and what it may write is its group's."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    (user,) = re.findall(r"^USER (\S+)$", text, re.MULTILINE)
    serve = (ROOT / "deploy/kubernetes/serve.yaml").read_text(encoding="utf-8")

    assert user.isdigit()
    assert int(user) > 0
    assert f"useradd --uid {user} " in text
    assert f"fsGroup: {user}" in serve
    assert "runAsNonRoot: true" in serve


def test_the_role_for_kubernetes_gives_what_is_asked_for() -> None:
    """No more: `deploy --check` asks for each of these, and the engine uses them."""
    text = (ROOT / "deploy/kubernetes/rbac.yaml").read_text(encoding="utf-8")
    (role,) = (it for it in yaml.safe_load_all(text) if it["kind"] == "Role")

    assert {*RIGHTS} == {
        (verb, group, resource)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    serving = [*yaml.safe_load_all((ROOT / "deploy/kubernetes/serve.yaml").read_text())]
    (deployment,) = (it for it in serving if it["kind"] == "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    program, command, *given = container["command"]
    called = commands.get_command(click.Context(commands), command)
    assert called is not None
    known = {option for it in called.params for option in it.opts}
    assert "transcode" == program
    assert {word.partition("=")[0] for word in given} <= known


def test_the_cluster_of_ray_grows_and_is_what_its_api_takes() -> None:
    """Its pods by their schema; one worker is there to say how large they are."""
    cluster = read("deploy/ray/cluster.yaml")
    spec = cluster["spec"]
    head, (workers,) = spec["headGroupSpec"], spec["workerGroupSpecs"]

    for group in (head, workers):
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "one"}}
        kubernetes_validate.validate(pod | group["template"], "1.34", strict=True)
        assert all(isinstance(it, str) for it in group["rayStartParams"].values())
    assert ("ray.io/v1", "RayCluster") == (cluster["apiVersion"], cluster["kind"])
    assert spec["enableInTreeAutoscaling"] is True
    assert "0" == head["rayStartParams"]["num-cpus"]
    assert 1 <= workers["minReplicas"] <= workers["replicas"] <= workers["maxReplicas"]
    (container,) = workers["template"]["spec"]["containers"]
    told = {it["name"] for it in container["env"]}
    assert told <= {*Settings.variables()}

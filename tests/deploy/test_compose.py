"""What `compose.yaml` names starts as it says, and does its work together."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
APART = ["unshare", "--net", "--mount"]


def apart() -> list[str]:
    """A network and mounts of one's own; as root, or as whoever may be it in there."""
    argv = APART if os.geteuid() == 0 else [*APART, "--user", "--map-root-user"]
    if subprocess.run([*argv, "true"], capture_output=True, check=False).returncode:
        _absent(
            "no namespaces may be made; on Ubuntu: "
            "sysctl kernel.apparmor_restrict_unprivileged_userns=0"
        )
    return argv


def _absent(message: str) -> None:
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


def test_what_compose_names_starts_and_works_together(
    make_clip: Callable[..., Path], tmp_path: Path
) -> None:
    """
    Store, bucket, service and Prometheus with the file's own commands, environment,
    files, names, ports and health checks: an upload through the service becomes a
    result, Prometheus counts it, and understands every rule and every panel.
    """
    beside = str(Path(sys.executable).parent)
    argv = [*apart(), sys.executable, str(Path(__file__).with_name("compose_here.py"))]
    argv += [str(tmp_path), str(make_clip("composed", 2, "160x120"))]
    env = {**os.environ, "PATH": f"{beside}:{os.environ['PATH']}"}
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env=env)
    assert 0 == done.returncode, done.stderr[-6000:]
    seen: dict[str, Any] = json.loads(done.stdout)

    if shutil.which("prometheus") is None:
        _absent("no Prometheus; on Debian: apt install prometheus")
    assert ["store", "buckets", "transcode", "prometheus"] == seen["started"]
    assert 401 == seen["without_token"]
    assert seen["page"]
    assert [201, "s3://videos/in/clip.mp4"] == seen["uploaded"]
    assert (201, "succeeded") == (seen["submitted"], seen["job"])
    assert 1 == seen["listed"]
    assert (["up"], "1") == (seen["targets"], seen["counted"])
    rules = yaml.safe_load((ROOT / "deploy/alerts.yaml").read_text(encoding="utf-8"))
    alerts = [one["alert"] for group in rules["groups"] for one in group["rules"]]
    assert dict.fromkeys(alerts, "ok") == seen["rules"]
    assert [] == seen["refused"]
    assert {0} == {*seen["ended"].values()}


def test_grafana_is_given_what_it_reads() -> None:
    """
    There is no Grafana in a registry, so by what its documentation says: provisioning
    lies where it is read, the dashboard where the provider looks, and panels ask the
    source that is there, at the service's own name and port.
    """
    file = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
    grafana = file["services"]["grafana"]
    at = {it["target"]: file["configs"][it["source"]] for it in grafana["configs"]}
    given = {path: yaml.safe_load(it["content"]) for path, it in at.items()}
    folder = "/etc/grafana/provisioning"
    by_kind = {
        Path(path).relative_to(folder).parts[0]: it for path, it in given.items()
    }
    mounted = dict(it.split(":")[1::-1] for it in grafana["volumes"])
    dashboard = json.loads((ROOT / "deploy/grafana/transcode.json").read_text())

    assert {"datasources", "dashboards"} == {*by_kind}
    assert {1} == {it["apiVersion"] for it in by_kind.values()}
    [source] = by_kind["datasources"]["datasources"]
    [provider] = by_kind["dashboards"]["providers"]
    assert "http://prometheus:9090" == source["url"]
    assert "prometheus" in file["services"]
    assert "./deploy/grafana" == mounted[provider["options"]["path"]]
    asked = {"type": source["type"], "uid": source["uid"]}
    assert all(asked == panel["datasource"] for panel in dashboard["panels"])
    assert {"timeseries"} == {panel["type"] for panel in dashboard["panels"]}
    places = [tuple(panel["gridPos"].values()) for panel in dashboard["panels"]]
    assert len({*places}) == len(places)
    assert re.fullmatch(r"[\w-]{1,40}", dashboard["uid"])

"""The Terraform module is HCL, and sets what `transcode deploy functiongraph` sets."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import hcl2
import pytest

from transcode.deploy.functiongraph_state import SWEEP, wanted_of
from transcode.invoke.variants import parse_variants
from transcode.settings import Settings

MODULE = Path(__file__).resolve().parents[2] / "handlers/functiongraph"
URN = "urn:fss:cn-north-4:p:function:default:transcode:latest,seconds=900,scratch=512"


def plain(value: Any) -> Any:
    """Without the quotes that the reader leaves around strings and names."""
    if isinstance(value, dict):
        return {plain(it): plain(value[it]) for it in value if not it.startswith("__")}
    if isinstance(value, list):
        return [plain(it) for it in value]
    return value.strip('"') if isinstance(value, str) else value


def blocks(kind: str) -> list[Any]:
    found = []
    for path in sorted(MODULE.glob("*.tf")):
        with path.open(encoding="utf-8") as stream:
            found += plain(hcl2.load(stream)).get(kind, [])
    return found


def resource(kind: str, name: str) -> dict[str, Any]:
    (found,) = [
        one[kind][name] for one in blocks("resource") if name in one.get(kind, {})
    ]
    return dict(found)


def test_the_module_sets_what_the_command_sets() -> None:
    """Every field that is no matter of the account."""
    settings = Settings(
        to="s3://results/videos",
        sources="s3://uploads/in/",
        functiongraph_function=URN,
        functiongraph_image="swr.x/y/z:1",
        functiongraph_agency="transcode",
    )
    (ours,) = wanted_of(settings, parse_variants(URN), "cn-north-4")
    function = resource("huaweicloud_fgs_function", "transcode")
    later = resource("huaweicloud_fgs_async_invoke_configuration", "transcode")
    sweep = resource("huaweicloud_fgs_function_trigger", "sweep")
    defaults = {
        name: one.get("default")
        for it in blocks("variable")
        for name, one in it.items()
    }

    assert ours.dynamic_memory is function["enable_dynamic_memory"] is True
    assert ours.keys_in_headers is function["enable_auth_in_header"] is True
    assert ours.initializer_seconds == function["initializer_timeout"]
    assert ours.retries == later["max_async_retry_attempts"] == 0
    assert ours.status_log is later["enable_async_status_log"] is True
    assert [ours.memory_mib, ours.most_instances, ours.reserved_instances] == [
        defaults[it] for it in ("memory_mib", "instances", "reserved")
    ]
    assert ours.event_age_seconds == defaults["event_age_seconds"]
    assert SWEEP in sweep["event_data"]
    told = next(it["environment"] for it in blocks("locals") if "environment" in it)
    assert all(name in told for name in ours.environment)
    assert {"ephemeral_storage", "gpu_type", "gpu_memory", "agency"} <= {*function}
    assert {"on_success", "on_failure"} == {
        name for one in later["dynamic"] for name in one
    }


def test_terraform_works_out_what_the_command_does(tmp_path: Path) -> None:
    """
    The environment, its order of functions included, and what calls them: by Terraform
    itself, of the module without its resources, for which the provider would be needed.
    """
    terraform = shutil.which("terraform")
    if terraform is None:
        pytest.skip("needs terraform, which no package here brings")
    first, second = URN, URN.replace(":transcode:latest,seconds=900,scratch=512", "")
    second += ":a-long:latest,seconds=43200,scratch=10240,gpu=nvidia-t4:16384"
    settings = Settings(
        to="s3://results/videos",
        sources="s3://uploads/in/ s3://more/",
        profile="mp4",
        functiongraph_function=f"{first} {second}",
        functiongraph_image="swr.x/y/z:1",
        functiongraph_agency="transcode",
        functiongraph_on_failure="obs://told/here",
    )
    (ours, _) = wanted_of(settings, parse_variants(f"{first} {second}"), "cn-north-4")
    text = (MODULE / "main.tf").read_text(encoding="utf-8")
    made = text[text.index("locals {") : text.index("resource ")]
    uploads, sweep = re.findall(
        r"event_data = jsonencode\((\{.*?\n  \})\)", text, re.DOTALL
    )
    made += f"""
output "environment" {{ value = local.environment }}
output "triggers" {{ value = concat([{sweep}],
  [for each in [for it in var.sources : {{ value = it }}] : {uploads}]) }}
output "failure" {{ value = var.on_failure }}
"""
    (tmp_path / "made.tf").write_text(made, encoding="utf-8")
    shutil.copy(MODULE / "variables.tf", tmp_path)
    given = {
        "project_id": "p",
        "image": "swr.x/y/z:1",
        "agency": "transcode",
        "to": "s3://results/videos",
        "sources": [
            {"bucket": "uploads", "prefix": "in/"},
            {"bucket": "more", "prefix": ""},
        ],
        "functions": {
            "a-long": {
                "seconds": 43200,
                "scratch": 10240,
                "gpu": "nvidia-t4",
                "gpu_memory": 16384,
            },
            "transcode": {"seconds": 900, "scratch": 512},
        },
        "on_failure": {
            "destination": "OBS",
            "param": {"bucket": "told", "prefix": "here", "expires": 0},
        },
        "settings": {"TRANSCODE_PROFILE": "mp4"},
    }
    (tmp_path / "terraform.tfvars.json").write_text(json.dumps(given))
    quiet = {**os.environ, "TF_CLI_CONFIG_FILE": os.devnull, "CHECKPOINT_DISABLE": "1"}
    done = ""
    for words in (("init",), ("apply", "-auto-approve"), ("output", "-json")):
        argv = [terraform, f"-chdir={tmp_path}", *words]
        asked = subprocess.run(argv, env=quiet, capture_output=True, check=False)
        assert 0 == asked.returncode, asked.stderr
        done = asked.stdout.decode()
    found = {name: one["value"] for name, one in json.loads(done).items()}

    assert dict(ours.environment) == found["environment"]
    assert [
        {name: list(x) if isinstance(x, tuple) else x for name, x in one.event.items()}
        for one in ours.triggers
    ] == found["triggers"]
    told = ours.on_failure
    assert told is not None
    assert {"destination": told.destination, "param": dict(told.param)} == found[
        "failure"
    ]


def test_every_variable_is_used_and_there() -> None:
    """A slip in a name is found by nobody before it is applied."""
    text = (MODULE / "main.tf").read_text(encoding="utf-8")
    names = {name for one in blocks("variable") for name in one}

    assert names == set(re.findall(r"\bvar\.(\w+)", text))


def test_it_says_that_it_was_never_applied() -> None:
    """Whoever reads it must know first."""
    first, *_ = (MODULE / "main.tf").read_text(encoding="utf-8").split("\n\n")

    assert "never applied here" in first

"""
`transcode deploy functiongraph` against the emulator, and the vendor's own SDK.

The SDK is the oracle: sent to a second emulator, its calls must be ours to the letter,
and its signatures those that ours are checked by.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from huaweicloudsdkcore.auth.credentials import BasicCredentials
from huaweicloudsdkcore.exceptions.exceptions import ClientRequestException
from huaweicloudsdkfunctiongraph import v2 as sdk

sys.path.append(str(Path(__file__).resolve().parents[2]))
from bench.fronts.functiongraph import Asked, Front, serve
from transcode.access.credentials import Credentials, lent
from transcode.cli.main import run_command_line
from transcode.deploy.functiongraph import look
from transcode.errors import DestinationRefused, SettingsError
from transcode.platforms.huawei_signing import Keys
from transcode.settings import Settings
from transcode.wiring import Wiring

PROJECT = "0123456789abcdef" * 2
PREFIX = f"urn:fss:cn-north-4:{PROJECT}:function:default"
HOOK = "https://hooks.example/T0/very-secret"


@contextmanager
def emulated() -> Iterator[tuple[Front, str]]:
    """An account without functions, and its address."""
    folder = Path(tempfile.gettempdir())
    front = Front(dict(os.environ), folder, Keys("AK", "SK"))
    server = serve(front)
    try:
        yield front, f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def settings(address: str) -> dict[str, str]:
    first = f"functiongraph+{address}/{PREFIX}:transcode:latest"
    long = f"functiongraph+{address}/{PREFIX}:transcode-long:latest"
    return {
        "TRANSCODE_FUNCTIONGRAPH_FUNCTION": f"{first},seconds=900,scratch=512 "
        f"{long},seconds=86400,scratch=10240,gpu=nvidia-t4:16384",
        "TRANSCODE_FUNCTIONGRAPH_IMAGE": "swr.cn-north-4.myhuaweicloud.com/me/us:1",
        "TRANSCODE_FUNCTIONGRAPH_AGENCY": "transcode",
        "TRANSCODE_FUNCTIONGRAPH_RESERVED": "1",
        "TRANSCODE_FUNCTIONGRAPH_ON_FAILURE": "urn:smn:cn-north-4:abc:alarm",
        "TRANSCODE_HUAWEI_ACCESS_KEY": "AK",
        "TRANSCODE_HUAWEI_SECRET_KEY": "SK",
        "TRANSCODE_TO": "s3://results/videos",
        "TRANSCODE_SOURCES": "s3://uploads/in/",
        "TRANSCODE_ON_FAILURE": HOOK,
    }


Deploy = Callable[..., tuple[int, dict[str, Any], str]]


@pytest.fixture
def deploy(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Deploy:
    """The command in this process: exit code, its document, all that it printed."""

    def go(given: Mapping[str, str], *words: str) -> tuple[int, dict[str, Any], str]:
        for name, value in given.items():
            monkeypatch.setenv(name, value)
        code = run_command_line(["deploy", "functiongraph", *words])
        done = capsys.readouterr()
        document = json.loads(done.out) if "--json" in words else {}
        return code, document, done.out + done.err

    return go


def drifted(document: dict[str, Any]) -> list[tuple[str, str]]:
    fine = {"as_wanted", "unknown"}
    found = document["findings"]
    return [(it["what"], it["standing"]) for it in found if it["standing"] not in fine]


def test_shown_applied_applied_again_and_drifted(deploy: Deploy) -> None:
    """
    Showing writes nothing, applying does, a second time does not; what somebody
    changes by hand is found and put right, and what is not ours stays. No secret is
    printed by any of it.
    """
    with emulated() as (front, address):
        given = settings(address)

        shown, plan, _ = deploy(given, "--json")
        missing, *_ = deploy(given, "--check")
        assert {"GET"} == {it.method for it in front.asked}
        applied, first, _ = deploy(given, "--yes", "--json")
        before = len(front.asked)
        again, second, _ = deploy(given, "--yes", "--json")
        assert {"GET"} == {it.method for it in front.asked[before:]}
        fine, *_ = deploy(given, "--check")

        config = front.functions.config["transcode"]
        config["timeout"] = 30
        config["user_data"] = json.dumps(
            {**json.loads(config["user_data"]), "TRANSCODE_TO": "s3://x", "OF": "them"}
        )
        front.functions.triggers["transcode"]["mine"] = {
            "trigger_id": "mine",
            "trigger_type_code": "TIMER",
            "event_data": {"name": "mine", "schedule_type": "Rate", "schedule": "1h"},
        }
        stray = front.functions.triggers["transcode"].pop("trigger-1")
        found, drift, told = deploy(given, "--check", "--json")
        mended, _, text = deploy(given, "--yes")
        last, *_ = deploy(given, "--check")
        printed = told + text

    assert [0, 4, 0, 0, 0, 4, 0, 0] == [
        *(shown, missing, applied, again, fine, found, mended, last)
    ]
    assert drifted(plan) == drifted(first)
    assert [] == drifted(second)
    assert [
        ("function transcode: time limit", "different"),
        ("function transcode: TRANSCODE_TO", "different"),
        ("function transcode: trigger transcode-in-77dfd96c", "missing"),
    ] == drifted(drift)
    assert "them" == json.loads(config["user_data"])["OF"]
    assert "mine" in front.functions.triggers["transcode"]
    assert "uploads" == stray["event_data"]["bucket"]
    assert HOOK in config["encrypted_user_data"]
    assert "very-secret" not in printed + json.dumps([plan, first, second, drift])


DRIFT: tuple[tuple[str, str, Any, str], ...] = (
    ("config", "custom_image", {"enabled": True, "image": "swr.x/other:1"}, "image"),
    ("config", "memory_size", 1024, "memory"),
    ("config", "enable_dynamic_memory", False, "dynamic memory"),
    ("config", "timeout", 30, "time limit"),
    ("config", "initializer_timeout", 5, "initializer"),
    ("config", "ephemeral_storage", 10240, "scratch"),
    ("config", "xrole", "other", "agency"),
    ("config", "enable_auth_in_header", False, "keys in headers"),
    ("config", "strategy_config", {"concurrency": 7}, "most instances"),
    ("reserved", "count", 5, "reserved instances"),
    ("later", "max_async_retry_attempts", 3, "retries"),
    ("later", "max_async_event_age_in_seconds", 60, "event age"),
    ("later", "enable_async_status_log", False, "status log"),
    ("later", "destination_config", {}, "on failure"),
)


def test_whatever_is_set_up_otherwise_is_found_and_put_right(deploy: Deploy) -> None:
    """Each setting by its name, and the triggers; nothing else is said to differ."""
    with emulated() as (front, address):
        given = settings(address)
        deploy(given, "--yes")
        for where, field, value, _ in DRIFT:
            getattr(front.functions, where)["transcode"][field] = value
        front.functions.config["transcode-long"] |= {"gpu_type": "no", "gpu_memory": 1}
        for one in front.functions.triggers["transcode"].values():
            one["event_data"] |= {"schedule": "1h", "prefix": "else/"}
        found, document, _ = deploy(given, "--check", "--json")
        deploy(given, "--yes")
        last, *_ = deploy(given, "--check")

    assert (4, 0) == (found, last)
    names = {f"function transcode: {name}" for *_, name in DRIFT}
    names |= {f"function transcode-long: {it}" for it in ("gpu", "gpu memory")}
    names |= {
        f"function transcode: trigger transcode-{it}" for it in ("sweep", "in-77dfd96c")
    }
    assert names == {what for what, _ in drifted(document)}


def test_every_call_is_what_the_vendors_sdk_sends(deploy: Deploy) -> None:
    """Method, path, query and body; and both signatures are good."""
    with emulated() as (front, address), emulated() as (other, elsewhere):
        given = settings(address)
        deploy(given, "--yes")
        deploy({**given, "TRANSCODE_SOURCES": "s3://uploads/more/"}, "--yes")
        client = (
            sdk.FunctionGraphClient.new_builder()
            .with_credentials(BasicCredentials("AK", "SK", PROJECT))
            .with_endpoints([elsewhere])
            .build()
        )
        for one in front.asked:
            by_sdk(client, one)
        ours, theirs = front.asked, other.asked

    assert [comparable(it) for it in theirs] == [comparable(it) for it in ours]
    assert {"GET", "POST", "PUT", "DELETE"} == {it.method for it in ours}
    for one in (*ours, *theirs):
        assert "application/json" == one.headers["content-type"].split(";")[0]
        assert PROJECT == one.headers["x-project-id"]


def comparable(one: Asked) -> tuple[str, str, str, Any]:
    body = json.loads(one.body) if one.body else None
    # The SDK puts a slash behind each path where it signs, and sends none.
    return one.method, one.path, unquote(one.query), body


def by_sdk(client: Any, one: Asked) -> None:  # noqa: C901, PLR0912 - one for each call
    """The same call, said in the SDK's words; a field that it does not know fails."""
    body = json.loads(one.body) if one.body else {}
    kind, *parts = [unquote(it) for it in one.path.partition("/fgs/")[2].split("/")]
    urn, last = (parts or [""])[0], parts[-1] if parts[1:] else ""
    request: Any
    match one.method, kind, last:
        case "POST", "functions", _:
            whole = configuration(sdk.CreateFunctionRequestBody, body)
            call, request = client.create_function, sdk.CreateFunctionRequest(whole)
        case "GET", "functions", "config":
            call = client.show_function_config
            request = sdk.ShowFunctionConfigRequest(urn)
        case "PUT", _, "config":
            whole = configuration(sdk.UpdateFunctionConfigRequestBody, body)
            call = client.update_function_config
            request = sdk.UpdateFunctionConfigRequest(urn, whole)
        case "PUT", _, "config-max-instance":
            most = sdk.UpdateFunctionMaxInstanceConfigRequestBody(**body)
            call = client.update_function_max_instance_config
            request = sdk.UpdateFunctionMaxInstanceConfigRequest(urn, most)
        case "PUT", _, "reservedinstances":
            count = sdk.UpdateFunctionReservedInstancesCountRequestBody(**body)
            call = client.update_function_reserved_instances_count
            request = sdk.UpdateFunctionReservedInstancesCountRequest(urn, count)
        case "GET", "functions", "async-invoke-config":
            call = client.show_function_async_invoke_config
            request = sdk.ShowFunctionAsyncInvokeConfigRequest(urn)
        case "PUT", _, "async-invoke-config":
            call = client.update_function_async_invoke_config
            later = asynchronous(body)
            request = sdk.UpdateFunctionAsyncInvokeConfigRequest(urn, later)
        case "GET", "functions", _:
            call = client.list_reserved_instance_configs
            of = unquote(one.query.partition("=")[2])
            request = sdk.ListReservedInstanceConfigsRequest(function_urn=of)
        case "GET", "triggers", _:
            call = client.list_function_triggers
            request = sdk.ListFunctionTriggersRequest(urn)
        case "POST", "triggers", _:
            call = client.create_function_trigger
            request = sdk.CreateFunctionTriggerRequest(urn, trigger(body))
        case _:
            call = client.delete_function_trigger
            request = sdk.DeleteFunctionTriggerRequest(urn, *parts[1:])
    try:
        call(request)
    except ClientRequestException as exc:
        # What is not there yet is not there for it either.
        if exc.status_code != 404:
            raise


def configuration(kind: Any, body: dict[str, Any]) -> Any:
    image = sdk.CustomImage(**body["custom_image"])
    return kind(**{**body, "custom_image": image})


def asynchronous(body: dict[str, Any]) -> Any:
    told = {
        name: sdk.FuncDestinationConfig(**one)
        for name, one in body.get("destination_config", {}).items()
    }
    destinations = sdk.FuncAsyncDestinationConfig(**told)
    return sdk.UpdateFunctionAsyncInvokeConfigRequestBody(
        **{**body, "destination_config": destinations}
    )


def trigger(body: dict[str, Any]) -> Any:
    event = sdk.TriggerEventDataRequestBody(**body["event_data"])
    return sdk.CreateFunctionTriggerRequestBody(**{**body, "event_data": event})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"TRANSCODE_FUNCTIONGRAPH_IMAGE": ""}, "TRANSCODE_FUNCTIONGRAPH_IMAGE is not"),
        ({"TRANSCODE_SOURCES": "/in"}, "which no trigger can watch"),
        ({"TRANSCODE_FUNCTIONGRAPH_ON_FAILURE": "mailto:me"}, "urn:smn:"),
        ({"TRANSCODE_FUNCTIONGRAPH_FUNCTION": f"{PREFIX}:a:latest"}, "say seconds="),
        ({"TRANSCODE_HUAWEI_SECRET_KEY": ""}, "TRANSCODE_HUAWEI_SECRET_KEY, which"),
        ({"TRANSCODE_BUDGETS": " ".join(["day:5"] * 900)}, "more than a function may"),
    ],
)
def test_what_cannot_be_set_up_is_refused_before_anything_is_asked(
    deploy: Deploy, change: dict[str, str], said: str
) -> None:
    """With the setting's name."""
    with emulated() as (front, address):
        code, _, done = deploy({**settings(address), **change}, "--yes")

    assert 2 == code
    assert said in " ".join(done.split())
    assert [] == front.asked


def test_a_platform_that_refuses_is_told_of(deploy: Deploy) -> None:
    """A wrong key is no drift: nothing was seen."""
    with emulated() as (_, address):
        given = {**settings(address), "TRANSCODE_HUAWEI_SECRET_KEY": "other"}
        code, document, _ = deploy(given, "--check", "--json")

    assert 4 == code
    assert "DestinationRefused" == document["error"]["type"]


@pytest.mark.parametrize(("token", "taken"), [("a-token", True), ("another", False)])
async def test_keys_that_a_platform_lends_sign_with_their_token(
    token: str,
    taken: bool,  # noqa: FBT001  a column of the table
) -> None:
    """Before those of the settings, for as long as the call that brought them."""
    with emulated() as (front, address):
        front.agency = Keys("LENT", "hush", "a-token")
        given = {**settings(address), "TRANSCODE_HUAWEI_ACCESS_KEY": "wrong"}
        wiring = Wiring(Settings.from_environment(given))
        with lent(Credentials("LENT", "hush", token)):
            if taken:
                await look(wiring)
            else:
                with pytest.raises(DestinationRefused):
                    await look(wiring)
        with pytest.raises(DestinationRefused):
            await look(wiring)

    assert taken is any("x-security-token" in it.headers for it in front.asked)


async def test_without_settings_the_lent_keys_are_enough() -> None:
    """A function's environment holds none."""
    with emulated() as (front, address):
        front.agency = Keys("LENT", "hush")
        given = settings(address)
        del given["TRANSCODE_HUAWEI_ACCESS_KEY"], given["TRANSCODE_HUAWEI_SECRET_KEY"]
        wiring = Wiring(Settings.from_environment(given))
        with pytest.raises(SettingsError, match="TRANSCODE_HUAWEI_ACCESS_KEY"):
            await look(wiring)
        with lent(Credentials("LENT", "hush")):
            assert (await look(wiring)).drifted

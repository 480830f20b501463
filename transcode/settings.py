"""What an operator sets: by the environment, or in a file below it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, SecretStr, ValidationError

from .contract import Value
from .errors import SettingsError

PREFIX = "TRANSCODE_"
_NEVER_EMPTY = ("token",)
OF_A_PROJECT = frozenset({"profiles_dir", "s3_region", "s3_path_style", "aws_region"})
"""
What the file in a working folder may set. Such a folder may have come from anybody: it
starts no program (`ffmpeg`), sends nothing elsewhere (`s3_endpoint_url`, `on_success`),
opens nothing (`private_hosts`, `token`) and makes no price or limit looser
(`platforms_dir`, `budgets`, `tries`, `fence`).
"""
_PATHS = frozenset(
    {
        *("ffmpeg", "packager", "scratch", "profiles_dir", "platforms_dir"),
        *("coefficients", "index"),
    }
)
OF_FUNCTIONS = frozenset(
    {"to", "profile", "platform", "sources", "suffixes", "margin_seconds"}
)
"""Settings of what a platform calls; the command line has options for them."""


@dataclass(frozen=True, slots=True)
class SettingsLayer:
    """What one file sets; of several the last one wins, the environment over all."""

    kind: Literal["user", "project"]
    path: str
    values: Mapping[str, Any]


class Settings(Value):
    """Each field is read from `TRANSCODE_<FIELD>`; all have a default that works."""

    ffmpeg: str | None = Field(None, description="ffmpeg to use instead of the bundled")
    packager: str | None = Field(
        None, description="Shaka Packager to use instead of the bundled"
    )
    scratch: str | None = Field(
        None, description="folder for temporary files; the system's by default"
    )
    profiles_dir: str | None = Field(
        None, description="folder of further profiles; they win over shipped ones"
    )
    platforms_dir: str | None = Field(
        None, description="folder of further platforms; they win over shipped ones"
    )
    coefficients: str | None = Field(
        None,
        description="file of prediction coefficients, as bench/calibrate writes it",
    )
    index: str | None = Field(
        None, description="folder of local indexes of jobs and costs; your cache folder"
    )
    fence: Literal["available", "required"] = Field(
        "available",
        description="`required`: no upload is opened where the kernel cannot hold what"
        " opens it; `available`: what is not held is noted",
    )
    probe_seconds: float = Field(
        10.0, gt=0, description="wall-clock limit of a probe, seconds"
    )
    lease_seconds: float = Field(
        60.0,
        ge=2,
        description="how long a job stays with a worker that is not heard of, seconds",
    )
    tries: int = Field(
        3, ge=1, description="how often a job is taken up before it counts as failed"
    )
    budgets: str | None = Field(
        None,
        description="what all jobs of a day or a tag may cost: day:5 tag:who=42:1",
    )
    s3_endpoint_url: str | None = Field(
        None, description="S3-compatible endpoint; AWS itself by default"
    )
    s3_region: str | None = Field(None, description="region of the bucket")
    s3_path_style: bool = Field(
        default=False, description="address buckets as endpoint/bucket/key"
    )

    private_hosts: str | None = Field(
        None,
        description="hosts of http sources that may lie on this machine or in a "
        "private network, as addresses write them; separated by spaces, * for all",
    )

    on_success: str | None = Field(
        None, repr=False, description="who is told of a result; separated by spaces"
    )
    on_failure: str | None = Field(
        None,
        repr=False,
        description="who is told of a job that failed; separated by spaces",
    )
    webhook_secret: SecretStr | None = Field(
        None, description="what webhooks are signed with: whsec_ and base64"
    )
    aws_endpoint_url: str | None = Field(
        None, description="endpoint of SQS, SNS and Lambda; AWS itself by default"
    )
    aws_region: str | None = Field(
        None, description="region of destinations on AWS that name none"
    )
    huawei_access_key: str | None = Field(
        None, description="access key (AK) to invoke FunctionGraph with"
    )
    huawei_secret_key: SecretStr | None = Field(
        None, description="secret key (SK) to invoke FunctionGraph with"
    )
    huawei_security_token: SecretStr | None = Field(
        None, description="with temporary keys: their security token"
    )

    token: SecretStr | None = Field(
        None,
        description="what callers of `transcode serve` must present as a bearer; "
        "several while one replaces another, separated by spaces",
    )
    hosts: str | None = Field(
        None,
        description="names that callers of `transcode serve` may use besides its "
        "address; separated by spaces",
    )

    ray_address: str | None = Field(
        None,
        description="with the engine `ray`: the cluster, as Ray writes its address "
        "(auto, host:6379); by default one is started on this machine",
    )

    functiongraph_function: str | None = Field(
        None,
        description="with the engine `functiongraph`: the functions that do tasks, as "
        "destinations are written, with what no call sets behind commas "
        "(urn:fss:…,seconds=900,scratch=512); separated by spaces",
    )
    functiongraph_concurrency: int = Field(
        100,
        ge=1,
        le=100_000,
        description="invocations of tasks at once: the account's quota on "
        "FunctionGraph, less what the calls of uploads need; the platform discards "
        "what is above it",
    )
    functiongraph_image: str | None = Field(
        None, description="for `deploy`: the image of the functions, swr.…/…:tag"
    )
    functiongraph_agency: str | None = Field(
        None, description="for `deploy`: the agency whose rights the functions have"
    )
    functiongraph_memory_mib: int = Field(
        512,
        ge=128,
        description="for `deploy`: memory of calls that ask for none, such as planning",
    )
    functiongraph_instances: int = Field(
        100,
        ge=1,
        le=1000,
        description="for `deploy`: the most instances that a function may have",
    )
    functiongraph_reserved: int = Field(
        0,
        ge=0,
        le=1000,
        description="for `deploy`: instances of the first function that are kept warm",
    )
    functiongraph_event_age_seconds: int = Field(
        300,
        ge=1,
        le=86400,
        description="for `deploy`: how long an asynchronous call may wait, seconds",
    )
    functiongraph_on_success: str | None = Field(
        None,
        description="for `deploy`: whom the platform tells of a call that succeeded: "
        "urn:smn:…, urn:fss:…, obs://bucket/prefix or dis://stream",
    )
    functiongraph_on_failure: str | None = Field(
        None,
        description="for `deploy`: whom the platform tells of a call that failed",
    )

    kubernetes_image: str | None = Field(
        None,
        description="with the engine `kubernetes`: the image of the Jobs, with its tag "
        "or digest",
    )
    kubernetes_namespace: str | None = Field(
        None,
        description="with the engine `kubernetes`: where Jobs are made; the current "
        "context's by default",
    )
    kubernetes_service_account: str | None = Field(
        None,
        description="with the engine `kubernetes`: what Jobs run as; the namespace's "
        "default one by default",
    )
    kubernetes_secret: str | None = Field(
        None,
        description="with the engine `kubernetes`: the Secret whose entries are the "
        "environment of Jobs, such as keys to the store",
    )
    kubernetes_queue: str | None = Field(
        None,
        description="with the engine `kubernetes`: the LocalQueue of Kueue that Jobs "
        "wait in",
    )

    lambda_function: str | None = Field(
        None,
        description="with the engine `aws-lambda`: what the functions that do tasks "
        "are called before their memory: transcode for transcode-1024, …",
    )

    to: str | None = Field(
        None, description="in a function: where results and jobs go, s3://bucket/prefix"
    )
    profile: str = Field("hls", description="in a function: what is made of uploads")
    platform: str | None = Field(
        None, description="in a function: whose specs and prices; its own by default"
    )
    sources: str | None = Field(
        None,
        description="in a function: where uploads come from; separated by spaces",
    )
    suffixes: str | None = Field(
        None,
        description="in a function: endings of names that are taken, such as .mp4",
    )
    margin_seconds: float = Field(
        5.0,
        ge=2,
        description="in a function: how long before its end work is handed back",
    )

    traces: Literal["otlp", "console"] | None = Field(
        None,
        description="where spans of OpenTelemetry go: to a collector, as OTEL_EXPORTER_"
        "OTLP_… say, or to standard error; nowhere by default",
    )

    def for_workers(self) -> Self:
        """What the work takes of them: no destination, no key, nothing added later."""
        return type(self)(ffmpeg=self.ffmpeg, packager=self.packager, fence=self.fence)

    def for_engines(self) -> Self:
        """What an engine elsewhere is told of them: how to reach the store, no key."""
        told = (
            *("ffmpeg", "packager", "scratch", "fence", "lease_seconds"),
            *("s3_endpoint_url", "s3_region", "s3_path_style", "private_hosts"),
        )
        return type(self)(**{name: getattr(self, name) for name in told})

    def may_be_private(self, host: str) -> bool:
        """Whether a source's *host* may be in a network that strangers cannot reach."""
        named = (self.private_hosts or "").casefold().split()
        return "*" in named or host.casefold().strip("[]") in named

    def index_folder(self, environ: Mapping[str, str]) -> Path:
        """
        Where a local index may be kept: as set, else in the user's cache folder.

        Raises `RuntimeError` for somebody without a home.
        """
        if self.index:
            return Path(self.index)
        cache = environ.get("XDG_CACHE_HOME")
        return (Path(cache) if cache else Path.home() / ".cache") / "transcode/index"

    @property
    def tokens(self) -> tuple[str, ...]:
        """Each that opens the door; none where nothing was set."""
        return tuple(self.token.get_secret_value().split()) if self.token else ()

    @property
    def host_names(self) -> tuple[str, ...] | None:
        """
        What `Host` may say besides an address: as set; None, which is anything, where
        a token is asked for anyhow.
        """
        names = tuple((self.hosts or "").casefold().split())
        return None if self.tokens and not names else names

    @classmethod
    def variables(cls) -> tuple[str, ...]:
        """Those that are read."""
        return tuple(PREFIX + name.upper() for name in cls.model_fields)

    @classmethod
    def unknown_in(cls, environ: Mapping[str, str]) -> tuple[str, ...]:
        """Variables that look like settings and are none: slips, and old names."""
        strange = {name for name in environ if name.startswith(PREFIX)}
        return tuple(sorted(strange - {*cls.variables()}))

    @classmethod
    def secrets(cls) -> frozenset[str]:
        """Fields whose values are shown to nobody."""
        return frozenset(
            name
            for name, field in cls.model_fields.items()
            if not field.repr or "SecretStr" in str(field.annotation)
        )

    @classmethod
    def from_environment(
        cls, environ: Mapping[str, str], layers: Sequence[SettingsLayer] = ()
    ) -> Self:
        """
        Read every setting, those of *layers* below the environment.

        Raises `SettingsError` naming the variable, or the file and the field.
        """
        given: dict[str, Any] = {}
        for layer in layers:
            given |= cls._of_file(layer)
        return cls._checked({**given, **cls._of_environment(environ)}, given)

    @classmethod
    def origins(
        cls, environ: Mapping[str, str], layers: Sequence[SettingsLayer] = ()
    ) -> dict[str, str]:
        """Field → the variable or the file that sets it; not those by default."""
        found = {name: one.path for one in layers for name in one.values}
        for name in cls._of_environment(environ):
            found[name] = PREFIX + name.upper()
        return found

    @classmethod
    def _of_environment(cls, environ: Mapping[str, str]) -> dict[str, str]:
        for name in _NEVER_EMPTY:
            variable = PREFIX + name.upper()
            # Set to nothing, as by a secret that was not found, it would open the door.
            if variable in environ and not environ[variable].strip():
                raise SettingsError(
                    f"{variable} is set and empty. Give it a value, or unset it.",
                    setting=variable,
                )
        return {
            name: environ[PREFIX + name.upper()]
            for name in cls.model_fields
            if environ.get(PREFIX + name.upper())
        }

    @classmethod
    def _of_file(cls, layer: SettingsLayer) -> dict[str, Any]:
        given = dict[str, Any]()
        for name, value in layer.values.items():
            why = cls._why_not(name, value, layer)
            if why is not None:
                raise SettingsError(f"{layer.path!r}: {why}", setting=name)
            given[name] = _typed(name, value, Path(layer.path).parent)
        # Alone, so that what is wrong in it is wrong even where it does not count.
        cls._checked(given, given, layer)
        return given

    @classmethod
    def _why_not(cls, name: str, value: object, layer: SettingsLayer) -> str | None:
        if name in OF_FUNCTIONS:
            return f"{name} is a function's; options stand in the table [options]."
        if name not in cls.model_fields:
            known = sorted(cls.model_fields.keys() - OF_FUNCTIONS)
            near = get_close_matches(name, known, n=1)
            if near:
                return f"{name} is no setting. Did you mean {near[0]}?"
            may = sorted(OF_A_PROJECT) if layer.kind == "project" else known
            return f"{name} is no setting; there are: {', '.join(may)}."
        if layer.kind == "project" and name not in OF_A_PROJECT:
            return (
                f"{name} is not for a project's file, which may come from anybody; set "
                f"{PREFIX}{name.upper()}, or put it in your own file."
            )
        if name in _NEVER_EMPTY and not str(value).strip():
            return f"{name} is empty. Give it a value, or leave it out."
        return None

    @classmethod
    def _checked(
        cls,
        given: Mapping[str, Any],
        by_file: Mapping[str, Any],
        layer: SettingsLayer | None = None,
    ) -> Self:
        try:
            return cls.model_validate(given)
        except ValidationError as exc:
            first = exc.errors()[0]
            name = str(first["loc"][0])
            said = PREFIX + name.upper()
            if layer is not None and name in by_file:
                said = f"{layer.path!r}: {name}"
            value = "" if name in cls.secrets() else f"={first['input']!r}"
            raise SettingsError(
                f"{said}{value} is wrong: {first['msg'].lower()}.",
                setting=name if layer else PREFIX + name.upper(),
            ) from exc


def _typed(name: str, value: object, folder: Path) -> object:
    """A path is meant from where the file lies; a number is no `Decimal`."""
    if name in _PATHS and isinstance(value, str) and "/" in value:
        return str(folder / Path(value).expanduser())
    if name in _PATHS and isinstance(value, str) and name not in {"ffmpeg", "packager"}:
        return str(folder / value)
    return float(value) if isinstance(value, Decimal) else value

"""What an operator sets: the only reader of the environment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Self

from pydantic import Field, SecretStr, ValidationError

from .contract import Value
from .errors import SettingsError

PREFIX = "TRANSCODE_"
_NEVER_EMPTY = ("token",)


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
        description="with the engine `functiongraph`: the function that does tasks, as "
        "destinations are written (urn:fss:…)",
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
    def from_environment(cls, environ: Mapping[str, str]) -> Self:
        """Read every setting; raises `SettingsError` naming the variable."""
        for name in _NEVER_EMPTY:
            variable = PREFIX + name.upper()
            # Set to nothing, as by a secret that was not found, it would open the door.
            if variable in environ and not environ[variable].strip():
                raise SettingsError(
                    f"{variable} is set and empty. Give it a value, or unset it.",
                    setting=variable,
                )
        given = {
            name: environ[PREFIX + name.upper()]
            for name in cls.model_fields
            if environ.get(PREFIX + name.upper())
        }
        try:
            return cls.model_validate(given)
        except ValidationError as exc:
            first = exc.errors()[0]
            name = PREFIX + str(first["loc"][0]).upper()
            raise SettingsError(
                f"{name}={first['input']!r} is wrong: {first['msg'].lower()}.",
                setting=name,
            ) from exc

"""What is asked of Lambda's API about functions that do tasks."""

from __future__ import annotations

from dataclasses import dataclass

from .aws import AwsSender, judged
from .targets import LambdaFunction

_RETRIES = 2
_EVENT_AGE_SECONDS = 21_600
_SCRATCH_MIB = 512
"""Where nobody has set them; botocore 1.44.5, lambda/2015-03-31."""


@dataclass(frozen=True, slots=True)
class LambdaConfiguration:
    """How a function is set up, as far as it matters to a task."""

    memory_mib: int
    scratch_mib: int
    time_limit_seconds: int
    retries: int
    event_age_seconds: int
    image: bool
    variables: frozenset[str]
    """Names alone: their values may be secret."""


@dataclass(frozen=True, slots=True)
class LambdaCalls:
    """Functions in *region* by their names. All raise `DeliveryError`."""

    sender: AwsSender
    region: str | None

    async def invoke(self, function: str, body: bytes) -> str:
        """Queue an asynchronous invocation; its request's id."""
        target = self._target(function)
        with judged(target):
            return await self.sender.call_function(target, body)

    async def look(self, function: str) -> LambdaConfiguration:
        """Two requests: for the function, and for what becomes of its events."""
        target = self._target(function)
        with judged(target):
            client = await self.sender.client("lambda", self.region)
            one = await client.get_function_configuration(FunctionName=function)
            try:
                events = await client.get_function_event_invoke_config(
                    FunctionName=function
                )
            except client.exceptions.ResourceNotFoundException:
                events = {}
        environment = one.get("Environment", {}).get("Variables", {})
        return LambdaConfiguration(
            memory_mib=int(one["MemorySize"]),
            scratch_mib=int(one.get("EphemeralStorage", {}).get("Size", _SCRATCH_MIB)),
            time_limit_seconds=int(one["Timeout"]),
            retries=int(events.get("MaximumRetryAttempts", _RETRIES)),
            event_age_seconds=int(
                events.get("MaximumEventAgeInSeconds", _EVENT_AGE_SECONDS)
            ),
            image=one.get("PackageType") == "Image",
            variables=frozenset(environment),
        )

    def _target(self, function: str) -> LambdaFunction:
        return LambdaFunction(
            text=f"lambda://{function}",
            shape="notice",
            region=self.region,
            function=function,
        )

"""Settings: read from the environment, refused by name."""

from __future__ import annotations

import pytest

from transcode.errors import SettingsError
from transcode.settings import Settings


def test_every_setting_has_a_default_that_works() -> None:
    """An empty environment is a complete configuration."""
    assert Settings() == Settings.from_environment({})


def test_a_setting_is_read_under_its_prefix() -> None:
    """Foreign variables and empty ones are left alone."""
    environ = {"TRANSCODE_PROBE_SECONDS": "3", "FFMPEG": "x", "TRANSCODE_SCRATCH": ""}

    assert Settings(probe_seconds=3) == Settings.from_environment(environ)


def test_what_looks_like_a_setting_is_known_for_none() -> None:
    """What has not our prefix is not ours."""
    environ = {"TRANSCODE_PROFILE_DIR": "x", "TRANSCODE_TO": "z", "PATH": "", "A_": ""}

    assert ("TRANSCODE_PROFILE_DIR",) == Settings.unknown_in(environ)


@pytest.mark.parametrize("value", ["soon", "0", "-1"])
def test_a_wrong_setting_is_named(value: str) -> None:
    """The variable and what was given stand in the sentence."""
    with pytest.raises(SettingsError, match=f"TRANSCODE_PROBE_SECONDS='{value}'"):
        Settings.from_environment({"TRANSCODE_PROBE_SECONDS": value})

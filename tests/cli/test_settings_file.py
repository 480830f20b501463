"""`transcode.toml`: what a file may say, who wins, and what is refused."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from transcode.cli.settings_file import SettingsFile, read
from transcode.errors import SettingsError
from transcode.settings import OF_A_PROJECT, Settings

Run = Callable[..., CompletedProcess[str]]


def files(
    folder: Path, *, user: str = "", project: str = ""
) -> tuple[SettingsFile, ...]:
    """The two files with this content, as a process in *folder* finds them."""
    for path, text in (
        (folder / "home/transcode/transcode.toml", user),
        (folder / "work/transcode.toml", project),
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        if text:
            path.write_text(text, encoding="utf-8")
    return read({"XDG_CONFIG_HOME": str(folder / "home")}, folder / "work")


def settings(found: tuple[SettingsFile, ...], **environ: str) -> Settings:
    return Settings.from_environment(environ, [one.layer() for one in found])


def test_the_nearer_one_wins(tmp_path: Path) -> None:
    """User below project below environment; types are those of the fields."""
    found = files(
        tmp_path,
        user='s3_region = "a"\naws_region = "a"\ntries = 5\nlease_seconds = 2.5\n',
        project='s3_region = "b"\naws_region = "b"\ns3_path_style = true\n',
    )

    made = settings(found, TRANSCODE_AWS_REGION="c")

    assert (
        Settings(
            s3_region="b",
            aws_region="c",
            tries=5,
            lease_seconds=2.5,
            s3_path_style=True,
        )
        == made
    )
    origins = Settings.origins(
        {"TRANSCODE_AWS_REGION": "c"}, [one.layer() for one in found]
    )
    assert "TRANSCODE_AWS_REGION" == origins["aws_region"]
    assert str(tmp_path / "work/transcode.toml") == origins["s3_region"]
    assert str(tmp_path / "home/transcode/transcode.toml") == origins["tries"]


def test_paths_are_meant_from_where_the_file_lies(tmp_path: Path) -> None:
    """A name without a slash that is a program is looked for on the path."""
    found = files(
        tmp_path,
        user='ffmpeg = "ffmpeg"\nscratch = "tmp"\nindex = "/var/x"\n'
        '[options]\nprofile = "./mine.toml"\n',
        project='profiles_dir = "profiles"\n',
    )

    made = settings(found)

    home, work = tmp_path / "home/transcode", tmp_path / "work"
    assert ("ffmpeg", "/var/x") == (made.ffmpeg, made.index)
    assert str(home / "tmp") == made.scratch
    assert str(work / "profiles") == made.profiles_dir
    assert {"profile": str(home / "mine.toml")} == found[0].options


@pytest.mark.parametrize("name", sorted(Settings.model_fields.keys() - OF_A_PROJECT))
def test_a_project_sets_nothing_that_opens_starts_sends_or_loosens(
    tmp_path: Path, name: str
) -> None:
    """The folder may have come from anybody; a setting that is new is refused, too."""
    with pytest.raises(SettingsError, match=rf"work/transcode.toml.*{name}"):
        settings(files(tmp_path, project=f'{name} = "x"\n'))


@pytest.mark.parametrize(
    "line",
    [
        *('engine = "ray"', "budget = 100", 'platform = "./free.toml"'),
        *('to = "s3://mine/x"', 'to = "/etc"', 'to = "../up"', 'to = "out/x"'),
        'profile = "../x.toml"',
    ],
)
def test_a_projects_options_stay_within_it(tmp_path: Path, line: str) -> None:
    """Nor by a link; in the user's own file all of that may stand."""
    (tmp_path / "work").mkdir()
    (tmp_path / "work/out").symlink_to("/tmp")  # noqa: S108 - anywhere else
    with pytest.raises(SettingsError, match=r"work/transcode.toml"):
        files(tmp_path, project=f"[options]\n{line}\n")

    assert files(tmp_path / "2", user=f"[options]\n{line}\n")[0].options


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("tries = 0", "tries=0 is wrong: input should be greater than or equal to 1"),
        ('fence = "no"', "fence='no' is wrong.*'available' or 'required'"),
        ("s3_region = 3", "s3_region=3 is wrong: input should be a valid string"),
        ("webhook_secret = 3", "webhook_secret is wrong: input"),
        ('s3_regoin = "x"', "Did you mean s3_region"),
        ('profile = "mp4"', r"table \[options\]"),
        ('token = " "', "token is empty"),
        ("[options]\nprofil = 1", "Did you mean profile"),
        ("[options]\nsample = true", "a text or a number"),
        ("options = 1", "write a table"),
        ("x = [", "is no TOML"),
        ("x = " + 6000 * "[", "is no TOML"),
        ("#" * 70_000, "64 KiB"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, says: str) -> None:
    """With the file, the field, and what would do."""
    with pytest.raises(SettingsError, match=rf"(?s)transcode/transcode.toml.*{says}"):
        settings(files(tmp_path, user=text))


def test_a_pipe_in_its_place_is_refused(tmp_path: Path) -> None:
    """Rather than waited for."""
    (tmp_path / "work").mkdir()
    os.mkfifo(tmp_path / "work/transcode.toml")

    with pytest.raises(SettingsError, match="no file"):
        files(tmp_path)


def test_config_shows_what_holds_and_no_secret(transcode: Run, tmp_path: Path) -> None:
    """As text and as one document; options take their default from the file."""
    (tmp_path / "transcode.toml").write_text(
        's3_region = "eu-1"\n[options]\ndeadline = "5x"\n', encoding="utf-8"
    )
    environ = {
        **os.environ,
        "XDG_CONFIG_HOME": str(tmp_path / "none"),
        "TRANSCODE_TOKEN": "s3cr3t",
        "TRANSCODE_ON_SUCCESS": "https://me:s3cr3t@example.org/",
    }

    text = transcode("config", environ=environ)
    data = json.loads(transcode("config", "--json", environ=environ).stdout)
    refused = transcode("plan", "x.mp4", environ=environ)
    over = transcode("plan", "x.mp4", "--deadline", "5m", environ=environ)

    assert 0 == text.returncode
    assert "s3_region   eu-1            project file" in text.stdout
    assert "s3cr3t" not in text.stdout + json.dumps(data)
    assert {
        "value": None,
        "from": "TRANSCODE_TOKEN",
        "secret": True,
        "set": True,
    } == data["settings"]["token"]
    assert str(tmp_path / "transcode.toml") == data["options"]["deadline"]["from"]
    assert 2 == refused.returncode
    assert "[options] deadline" in refused.stderr
    assert "There is no file" in over.stderr

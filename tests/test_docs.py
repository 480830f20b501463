"""The documentation names everything a user can type, set or look at."""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from pydantic import BaseModel

from transcode.cli.commands.run import transcode as commands
from transcode.plan.profile import Profile
from transcode.serve.metrics import SERIES
from transcode.settings import PREFIX, Settings

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.fixture(scope="module")
def docs() -> str:
    """README and docs/, as one text."""
    return "\n".join(page.read_text(encoding="utf-8") for page in PAGES)


def all_commands(
    group: click.Group = commands, path: str = "transcode"
) -> Iterator[tuple[str, click.Command]]:
    """Every command with the words that call it."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from all_commands(command, f"{path} {name}")
        elif not command.hidden:
            yield f"{path} {name}", command


def options() -> set[str]:
    """Every long option of every command."""
    return {
        max(parameter.opts, key=len)
        for _, command in all_commands()
        for parameter in command.params
        if isinstance(parameter, click.Option) and not parameter.hidden
    }


def models(annotation: object) -> Iterator[type[BaseModel]]:
    """The models inside an annotation: `X`, `X | None`, `tuple[X, ...]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif isinstance(annotation, types.UnionType) or typing.get_origin(annotation):
        for inner in typing.get_args(annotation):
            yield from models(inner)


def fields(model: type[BaseModel]) -> set[str]:
    """Every field of a model and of the models in it, as a TOML file spells them."""
    found: set[str] = set()
    for name, field in model.model_fields.items():
        found.add(field.alias or name)
        for inner in models(field.annotation):
            found |= fields(inner)
    return found


def shipped(folder: str) -> list[str]:
    """Names of the TOML files in a folder of the repository."""
    return sorted(path.stem for path in (ROOT / folder).glob("*.toml"))


@pytest.mark.parametrize("name", [name for name, _ in all_commands()])
def test_docs_name_every_command(docs: str, name: str) -> None:
    """A command that is in no page is found by nobody."""
    assert name in docs


@pytest.mark.parametrize("name", sorted(options()))
def test_docs_name_every_option(docs: str, name: str) -> None:
    """Options too."""
    assert name in docs


@pytest.mark.parametrize("name", [PREFIX + f.upper() for f in Settings.model_fields])
def test_docs_name_every_setting(docs: str, name: str) -> None:
    """Under the name that an operator types."""
    assert f"`{name}`" in docs


@pytest.mark.parametrize(
    "name",
    [
        *shipped("profiles"),
        *shipped("profiles/platforms"),
        *shipped("profiles/services"),
    ],
)
def test_docs_name_every_profile_and_platform(docs: str, name: str) -> None:
    """What ships is listed."""
    assert f"`{name}`" in docs


@pytest.mark.parametrize("name", sorted(fields(Profile)))
def test_docs_name_every_profile_field(docs: str, name: str) -> None:
    """A profile can be written from the docs alone."""
    assert f"`{name}`" in docs


def test_docs_name_every_metric(docs: str) -> None:
    """What can be watched is listed."""
    assert [] == [series.name for series in SERIES if f"`{series.name}`" not in docs]


def test_the_site_has_every_page() -> None:
    """`mkdocs.yml` lists each once, and so does the page that it begins with."""
    pages = {page.name for page in PAGES} - {"README.md"}
    site = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    listed = re.findall(r"^ +- [^:]+: ([\w-]+\.md)$", site, re.MULTILINE)
    index = (ROOT / "docs/index.md").read_text(encoding="utf-8")

    assert sorted(pages) == sorted(listed)
    assert pages - {"index.md"} == {*re.findall(r"\]\(([\w-]+\.md)\)", index)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    """To a file that is there, and to a heading that is in it."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"\w+:", link):
            continue
        path, _, anchor = link.partition("#")
        aim = page.parent / path if path else page
        assert aim.exists(), link
        if anchor and aim.suffix == ".md":
            heads = re.findall(
                r"^#+ (.*)$", aim.read_text(encoding="utf-8"), re.MULTILINE
            )
            assert anchor in {anchor_of(head) for head in heads}, link


def anchor_of(heading: str) -> str:
    """As code hosts make it of a heading."""
    plain = re.sub(r"[^\w\s-]", "", heading.casefold())
    return re.sub(r"\s", "-", plain.strip())


def test_every_fault_names_tests_that_exist() -> None:
    """Of each row: a file, and after it the tests in it."""
    page = (ROOT / "docs/faults.md").read_text(encoding="utf-8")
    rows = [row for row in page.splitlines() if re.match(r"\| [BC]\d+ ", row)]

    assert 21 == len(rows)
    for row in rows:
        file = ""
        for path, name in re.findall(r"`((?:\w+/)*\w+\.py)?(?:::(\w+))?`", row):
            file = path or file
            if not file:
                continue
            text = (
                ROOT / ("" if file.startswith("bench") else "tests") / file
            ).read_text(encoding="utf-8")
            assert not name or f"def {name}(" in text, (file, name)


def test_docs_name_every_check_and_a_test_that_breaks_it() -> None:
    """One row for each check of verification, and its test exists."""
    code = "".join(
        path.read_text(encoding="utf-8")
        for path in sorted((ROOT / "transcode/work/verify").glob("*.py"))
    )
    checks = re.findall(r'\bCheck\(\s*name="(\w+)"|\b_check\(\s*"(\w+)"', code)
    page = (ROOT / "docs/media.md").read_text(encoding="utf-8")
    table = page.partition("\n## Verification\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \|.*\| `(\w+\.py)::(\w+)` \|$", table, re.MULTILINE)

    assert sorted({one or other for one, other in checks}) == sorted(
        name for name, *_ in rows
    )
    for _, file, test in rows:
        text = (ROOT / "tests/work/verify" / file).read_text(encoding="utf-8")
        assert f"def {test}(" in text, (file, test)

"""Platforms: their lattices, their limits, and what a wrong file is told."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transcode.contract import Gpu, Spec
from transcode.errors import PlatformError
from transcode.platforms.platform import (
    Machine,
    Platform,
    held_to_tier,
    lattice,
    on_lattice,
    parse_platform,
    scratch_for,
    spec_for_memory,
    specs_for_memory,
)

FOLDER = Path(__file__).resolve().parents[2] / "profiles/platforms"
NAMES = tuple(sorted(path.stem for path in FOLDER.glob("*.toml")))
MACHINE = Machine(milli_cpus=12_000, memory_mib=24_105, scratch_mib=50_000)


def load(name: str) -> Platform:
    path = FOLDER / f"{name}.toml"
    return parse_platform(path.read_text(encoding="utf-8"), origin=path.name)


def test_ten_platforms_ship() -> None:
    """
    Named as their files are.
    """
    expected = (
        "alibaba-fc",
        "aws-ec2",
        "aws-fargate",
        "aws-lambda",
        "aws-lambda-arm",
        "cloud-run",
        "functiongraph",
        "kubernetes",
        "local",
        "ray",
    )

    assert expected == NAMES
    assert expected == tuple(load(name).name for name in NAMES)


def test_functiongraph_has_fifteen_specs_with_cpu_by_the_documented_rule() -> None:
    """
    200 milli-CPUs and 100 more for every 128 MiB.
    """
    specs = lattice(load("functiongraph"))

    assert 15 == len(specs)
    assert (128, 300) == (specs[0].memory_mib, specs[0].milli_cpus)
    assert (4096, 3400) == (specs[12].memory_mib, specs[12].milli_cpus)
    assert (8192, 6600) == (specs[13].memory_mib, specs[13].milli_cpus)
    assert (10240, 8200) == (specs[14].memory_mib, specs[14].milli_cpus)


@pytest.mark.parametrize(("memory", "milli"), [(1769, 1000), (3538, 2000), (128, 72)])
def test_lambda_gives_a_vcpu_for_1769_mib(memory: int, milli: int) -> None:
    """
    Linear, rounded down, any whole MiB.
    """
    assert milli == spec_for_memory(load("aws-lambda"), memory).milli_cpus


def test_lambda_has_every_mib_and_searches_a_few() -> None:
    """
    10,113 points exist; comparing them all would tell no more.
    """
    platform = load("aws-lambda")

    assert 10_240 - 128 + 1 == len(lattice(platform, sample=False))
    assert 1769 in {spec.memory_mib for spec in lattice(platform)}
    assert 30 > len(lattice(platform))


@pytest.mark.parametrize("name", NAMES)
def test_whatever_is_searched_is_on_the_lattice(name: str) -> None:
    """
    A sample is made of points, not of round numbers.
    """
    platform = load(name)
    specs = lattice(platform, MACHINE)

    assert specs
    assert [] == [spec for spec in specs if not on_lattice(platform, spec, MACHINE)]


@settings(deadline=None)
@given(memory=st.integers(1, 40_000))
@pytest.mark.parametrize("name", NAMES)
def test_a_forced_memory_is_a_point_or_is_refused(name: str, memory: int) -> None:
    """
    Nothing is rounded to the next point.
    """
    platform = load(name)

    try:
        specs = specs_for_memory(platform, memory, MACHINE)
    except PlatformError as error:
        near = error.evidence["nearest_mib"]
        assert memory not in near
        assert all(spec_for_memory(platform, it, MACHINE) for it in near)
    else:
        assert {memory} == {spec.memory_mib for spec in specs}
        assert all(on_lattice(platform, spec, MACHINE) for spec in specs)


def test_a_memory_between_two_points_is_told_its_neighbours() -> None:
    """
    The message is what the user reads.
    """
    message = (
        "5000 MiB is no memory size of functiongraph; the nearest are 4096 MiB and"
    )

    with pytest.raises(PlatformError, match=message):
        spec_for_memory(load("functiongraph"), 5000)


def test_a_memory_beyond_the_last_point_has_one_neighbour() -> None:
    """
    Of one there is no plural.
    """
    with pytest.raises(PlatformError, match="the nearest is 10240 MiB"):
        spec_for_memory(load("functiongraph"), 20_000)


def test_an_engine_has_the_functions_that_were_deployed_and_no_other() -> None:
    """
    A call of Lambda chooses neither memory nor scratch: both are the function's.
    """
    tier = held_to_tier(load("aws-lambda"))

    every = [(1024, 578), (1769, 1000), (3538, 2000), (7076, 4000), (10240, 5788)]
    assert every == [(it.memory_mib, it.milli_cpus) for it in lattice(tier)]
    with pytest.raises(PlatformError, match="the nearest are 1769 MiB and 3538 MiB"):
        spec_for_memory(tier, 2048)
    assert 4096 == scratch_for(tier, 1, memory_mib=1769)
    assert scratch_for(tier, 5000, memory_mib=1769) is None
    two = Spec(memory_mib=3538, milli_cpus=2000, scratch_mib=8192)
    assert on_lattice(tier, two)
    assert not on_lattice(tier, two.model_copy(update={"scratch_mib": 512}))


def test_a_tier_that_is_none_is_refused() -> None:
    """Off the lattice, of unequal lists, or not there at all."""
    text = (FOLDER / "aws-lambda.toml").read_text(encoding="utf-8")
    off = text.replace("[1024, 1769, ", "[100, 1769, ")
    short = text.replace("[2048, 4096, ", "[2048, ")

    with pytest.raises(PlatformError, match="100 MiB is no memory size of aws-lambda"):
        held_to_tier(parse_platform(off, origin="off.toml"))
    with pytest.raises(PlatformError, match="of different lengths"):
        parse_platform(short, origin="short.toml")
    with pytest.raises(PlatformError, match=r"functiongraph has no \[tier\]"):
        held_to_tier(load("functiongraph"))


def test_a_full_disk_is_a_machine_without_scratch() -> None:
    """
    A size like another: what needs scratch does not fit, and that is said.
    """
    machine = Machine(milli_cpus=2000, memory_mib=4096, scratch_mib=0)

    assert lattice(load("local"), machine)
    assert scratch_for(load("local"), 1, machine) is None


@pytest.mark.parametrize(
    ("name", "spec"),
    [
        ("functiongraph", Spec(memory_mib=1024, milli_cpus=2000)),
        ("functiongraph", Spec(memory_mib=1024, milli_cpus=1000, scratch_mib=600)),
        ("aws-lambda", Spec(memory_mib=1769, milli_cpus=1000, time_limit_seconds=901)),
        ("alibaba-fc", Spec(memory_mib=8192, milli_cpus=1000)),
        ("alibaba-fc", Spec(memory_mib=1000, milli_cpus=500)),
        ("cloud-run", Spec(memory_mib=1024, milli_cpus=4000)),
        ("aws-fargate", Spec(memory_mib=1536, milli_cpus=250)),
        ("aws-fargate", Spec(memory_mib=17 * 1024, milli_cpus=8000)),
        ("aws-ec2", Spec(memory_mib=8192, milli_cpus=2000)),
        ("local", Spec(memory_mib=1024, milli_cpus=13_000)),
        ("local", Spec(memory_mib=24_106, milli_cpus=1000)),
        (
            "local",
            Spec(memory_mib=512, milli_cpus=1000, gpu=Gpu(kind="x", memory_mib=1)),
        ),
    ],
)
def test_what_a_platform_does_not_have_is_not_on_its_lattice(
    name: str, spec: Spec
) -> None:
    """
    CPU, memory, their ratio, scratch, time limit and GPU are all looked at.
    """
    assert not on_lattice(load(name), spec, MACHINE)


def test_this_machine_offers_its_cores_and_its_memory_and_no_more() -> None:
    """
    Whole cores, sizes by halves and thirds, and all of it.
    """
    machine = Machine(milli_cpus=2500, memory_mib=1000, scratch_mib=1)

    specs = lattice(load("local"), machine)

    assert {1000, 2000} == {spec.milli_cpus for spec in specs}
    assert [128, 192, 256, 384, 512, 768, 1000] == sorted(
        {spec.memory_mib for spec in specs}
    )


def test_a_machine_with_less_than_a_core_offers_that() -> None:
    """
    A container with half a core still works.
    """
    machine = Machine(milli_cpus=500, memory_mib=512, scratch_mib=1)

    assert {500} == {spec.milli_cpus for spec in lattice(load("local"), machine)}


def test_the_machines_lattice_needs_a_machine() -> None:
    """
    Its size is not guessed.
    """
    with pytest.raises(PlatformError, match="its size was not given"):
        lattice(load("local"))


def test_this_machine_is_not_throttled_and_functiongraph_is() -> None:
    """
    Nobody's laptop is held down unasked.
    """
    assert not load("local").throttled
    assert load("functiongraph").throttled


@pytest.mark.parametrize(
    ("name", "needed", "given"),
    [
        ("functiongraph", 0, 512),
        ("functiongraph", 513, 10_240),
        ("functiongraph", 10_241, None),
        ("aws-lambda", 0, 512),
        ("aws-lambda", 700, 700),
        ("aws-lambda", 10_241, None),
        ("local", 7, 7),
        ("local", 50_001, None),
    ],
)
def test_scratch_is_the_smallest_size_that_holds_it(
    name: str, needed: int, given: int | None
) -> None:
    """
    Sizes are the platform's; what holds nothing is refused, not cut.
    """
    assert given == scratch_for(load(name), needed, MACHINE)


GOOD = (FOLDER / "local.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("wrong", "right", "said"),
    [
        ("kind = 'cube'", 'kind = "machine"', "lattice: .*'machine'"),
        ("vcpu_hour = -1", 'vcpu_hour = "0.036"', "price.vcpu_hour: .*greater"),
        ("vcpu_our = 1", 'vcpu_hour = "0.036"', "price.vcpu_our: Extra"),
        ("round_up_milliseconds = 0", "round_up_milliseconds = 1", "billing.round_up"),
        ('currency = "dollars"', 'currency = "USD"', "currency"),
        ("name = ", 'name = "local"', "is not TOML"),
    ],
)
def test_a_wrong_file_is_told_file_and_field(wrong: str, right: str, said: str) -> None:
    """
    mine.toml: field …: what is wrong.
    """
    assert right in GOOD

    with pytest.raises(PlatformError, match=f"^mine.toml.*{said}"):
        parse_platform(GOOD.replace(right, wrong), origin="mine.toml")


def test_a_users_own_prices_are_read_exactly() -> None:
    """
    A number that TOML calls a float stays the decimal that was written.
    """
    text = GOOD.replace('vcpu_hour = "0.036"', "vcpu_hour = 0.041")

    assert "0.041" == str(parse_platform(text, origin="mine.toml").price.vcpu_hour)


@pytest.mark.parametrize("name", NAMES)
def test_every_table_of_figures_is_dated_and_sourced(name: str) -> None:
    """
    A price without a date is worth nothing.
    """
    platform = load(name)
    tables = (platform.lattice, platform.billing, platform.price, platform.scratch,
              platform.limits, platform.free_tier, platform.reserved)  # fmt: skip

    assert all(table.source and table.as_of for table in tables if table is not None)

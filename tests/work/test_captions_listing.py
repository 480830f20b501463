"""Captions in playlists and MPDs, whatever they are called."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from transcode.contract import CaptionRendition
from transcode.work.captions_listing import listed_in_manifest, listed_in_master
from transcode.work.command.languages import shortest
from transcode.work.verify.playlists import read_master_playlist, read_mpd

MASTER = (
    "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=2\na/index.m3u8\n"
    "#EXT-X-STREAM-INF:BANDWIDTH=1\nb/index.m3u8\n"
    '#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=1,URI="a/iframes.m3u8"\n'
)
MANIFEST = (
    '<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
    'mediaPresentationDuration="PT2S">\n  <Period id="0">\n'
    '    <AdaptationSet id="0" contentType="video"/>\n'
    '    <AdaptationSet id="7" contentType="audio"/>\n  </Period>\n</MPD>\n'
)
HOSTILE = [
    'quote " and \\" end',
    'x",URI="http://example.com/x.m3u8',
    "line\n#EXT-X-ENDLIST",
    "carriage\r#EXTINF:1,",
    "separator\u2028\u2029\x85#EXTM3U",
    "]]></Label></AdaptationSet><BaseURL>http://example.com/</BaseURL>",
    "&entity; <!-- & -->",
    "\x00\x08\ufffe\uffff",
    "日本語 العربية",
]


def captions(**changes: object) -> CaptionRendition:
    return CaptionRendition.model_validate(
        {"name": "eng", "source_index": 2, "language": "eng"} | changes
    )


@pytest.mark.parametrize("title", HOSTILE)
def test_no_title_breaks_a_playlist(title: str) -> None:
    """
    Whatever it says, there is one more line, with one name in it.
    """
    made = listed_in_master(MASTER, [captions(title=title)])
    master = read_master_playlist(made)

    assert len(MASTER.splitlines()) + 1 == len(made.splitlines())
    assert ["captions/eng.m3u8"] == [it.uri for it in master.groups]
    assert ["subtitles"] * 2 == [it.attributes["SUBTITLES"] for it in master.variants]
    assert master.groups[0].attributes["NAME"].isprintable()
    assert "SUBTITLES" not in master.iframes[0].attributes


@pytest.mark.parametrize("title", HOSTILE)
def test_no_title_breaks_a_manifest(title: str) -> None:
    """
    It stays a label.
    """
    made = listed_in_manifest(MANIFEST, [captions(title=title)], sizes={"eng": 99})

    root = ET.fromstring(made)  # noqa: S314 - ours
    dash = "{urn:mpeg:dash:schema:mpd:2011}"
    assert ["0", "7", "8"] == [it.get("id") for it in root.iter(f"{dash}AdaptationSet")]
    assert ["captions/eng.vtt"] == [it.text for it in root.iter(f"{dash}BaseURL")]
    assert 1 == sum(1 for _ in root.iter(f"{dash}Label"))


def test_flags() -> None:
    """
    One default, forced ones marked; of two alike a player chooses none by itself.
    """
    tracks = [
        captions(default=True, title="Same"),
        captions(name="eng-forced", forced=True, title="Same"),
        captions(name="eng-4", title="Same"),
        captions(name="und", language=None),
    ]

    master = read_master_playlist(listed_in_master(MASTER, tracks))
    sizes = {it.name: 1 for it in tracks}
    texts = read_mpd(listed_in_manifest(_playable(), tracks, sizes=sizes)).texts

    said = ("NAME", "LANGUAGE", "DEFAULT", "AUTOSELECT", "FORCED")
    assert [
        ("Same", "en", "YES", "YES", "NO"),
        ("Same, forced", "en", "NO", "YES", "YES"),
        ("Same 2", "en", "NO", "NO", "NO"),
        ("Subtitles", "und", "NO", "NO", "NO"),
    ] == [tuple(it.attributes.get(name) for name in said) for it in master.groups]
    assert [
        ("en", {"subtitle", "main"}),
        ("en", {"forced-subtitle"}),
        ("en", {"subtitle"}),
        (None, {"subtitle"}),
    ] == [(it.language, it.roles) for it in texts]


def test_without_captions_nothing_changes() -> None:
    """
    The indexes stay what they were.
    """
    assert MASTER == listed_in_master(MASTER, [])
    assert MANIFEST == listed_in_manifest(MANIFEST, [], sizes={})


@pytest.mark.parametrize(
    ("tag", "short"),
    [
        *(("eng", "en"), ("fra", "fr"), ("fre", "fr"), ("deu", "de"), ("ger", "de")),
        *(("por-BR", "pt-BR"), ("zh-Hans", "zh-Hans"), ("fil", "fil"), ("en", "en")),
    ],
)
def test_the_shortest_code_is_used(tag: str, short: str) -> None:
    """
    RFC 5646 wants it, and players compare with it.
    """
    assert short == shortest(tag)


def _playable() -> str:
    return MANIFEST.replace('<AdaptationSet id="0" contentType="video"/>', "").replace(
        '<AdaptationSet id="7" contentType="audio"/>', ""
    )

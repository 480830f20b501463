"""Every dialect as its provider really sends it, and everything that only looks so."""

from __future__ import annotations

import base64
import json
import tempfile
from collections.abc import Callable
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from transcode.contract import Upload
from transcode.errors import EventError
from transcode.event.envelopes import batch
from transcode.event.filter import Filter
from transcode.event.folder import from_file
from transcode.event.parse import parse
from transcode.event.verdict import Ignored, Parsed, Reason
from transcode.store import folder_source

EVENTS = Path(__file__).resolve().parent / "examples"
NAMES = sorted(path.stem for path in EVENTS.glob("*.json"))


def payload(name: str) -> Any:
    """What a platform sent."""
    return json.loads((EVENTS / f"{name}.json").read_text(encoding="utf-8"))


def parsed(name: str) -> Parsed:
    """The same, parsed as the request that it came in."""
    sent = payload(name)
    if name.endswith("-binary"):
        return parse(json.dumps(sent["body"]).encode(), headers=sent["headers"])
    return parse(sent)


S3_PUT = Upload(
    provider="aws",
    bucket="DOC-EXAMPLE-BUCKET",
    key="in/red flower+1.mp4",
    uri="s3://DOC-EXAMPLE-BUCKET/in/red flower+1.mp4",
    version="096fKKXTRTtl3on89fVO.nfljtsv6qko",
    etag="b21b84d653bb07b05b1e6b33684dc11b",
    bytes=1305107,
    event_id="D82B88E5F771F645",
    sequencer="0C0F6F405D6ED209E1",
    event_time=datetime(2019, 9, 3, 19, 37, 27, 192000, UTC),
    event_name="ObjectCreated:Put",
)
GRID_PUT = Upload(
    provider="obs",
    bucket="developer-test-example",
    key="test.tar",
    uri="s3://developer-test-example/test.tar",
    # `…null` is what OBS says of a bucket without versions, `1` no sequencer, and the
    # time is the envelope's: the record's own is eight hours ahead of it.
    version=None,
    etag="6f9433fb110632de417e2e697dcb1b5f",
    bytes=112,
    event_id="b27e6cbff1f6865c83111f130a982f56",
    sequencer=None,
    event_time=datetime(2026, 9, 30, 3, 24, 43, 167931, UTC),
    event_name="ObjectCreated:Put",
)
GCS_PUT = Upload(
    provider="gcs",
    bucket="sample-bucket",
    key="folder/a+b%20c.mp4",
    uri="gs://sample-bucket/folder/a+b%20c.mp4",
    version="1587627537231057",
    etag="CNHZkbuF/ugCEAE=",
    bytes=352,
    event_id="1234567",
    sequencer="00001587627537231057",
    event_time=datetime(2021, 11, 25, 21, 4, 32, 279744, UTC),
    event_name="google.cloud.storage.object.v1.finalized",
)
OBS_POST = Upload(
    provider="obs",
    bucket="functionstorage-template",
    key="job.png",
    uri="s3://functionstorage-template/job.png",
    etag="9d377b10ce778c4938b3c7e2c63a229a",
    bytes=777835,
    sequencer="00000000160D9E681484D6B4C0000000",
    event_time=datetime(2018, 1, 9, 7, 50, 50, 28000, UTC),
    event_name="ObjectCreated:Post",
)
MULTIPART = Upload(
    provider="seaweedfs",
    bucket="uploads",
    key="in/big.mp4",
    uri="s3://uploads/in/big.mp4",
    etag="c2e86da095b947bb290efb66f6b4e7f6-1",
    bytes=1000,
    sequencer="01795379025682750407",
    event_time=datetime(2026, 11, 22, 20, 23, 45, 682750, UTC),
    event_name="create",
)

ARRIVALS: dict[str, list[Upload]] = {
    "s3-put": [S3_PUT],
    "s3-in-sqs": [S3_PUT],
    "s3-in-sqs-received": [S3_PUT],
    "s3-in-sns": [S3_PUT],
    "s3-in-sns-http": [S3_PUT],
    "s3-in-sns-in-sqs": [S3_PUT],
    "cloudevent-s3": [S3_PUT],
    "obs-post": [OBS_POST],
    "obs-eventgrid": [GRID_PUT],
    "obs-eventgrid-list": [
        GRID_PUT,
        GRID_PUT.model_copy(
            update={
                "key": "a+b%20c.mp4",
                "uri": "s3://developer-test-example/a+b%20c.mp4",
            }
        ),
    ],
    "gcs-structured": [GCS_PUT],
    "gcs-binary": [GCS_PUT],
    "seaweedfs-multipart": [MULTIPART],
    "s3-eventbridge": [
        Upload(
            provider="aws",
            bucket="amzn-s3-demo-bucket1",
            key="in/100%25+real.mp4",
            uri="s3://amzn-s3-demo-bucket1/in/100%25+real.mp4",
            version="IYV3p45BT0ac8hjHg1houSdS1a.Mro8e",
            etag="b1946ac92492d2347c6235b4d2611184",
            bytes=5,
            event_id="17793124-05d4-b198-2fde-7ededc63b103",
            sequencer="617f08299329d189",
            event_time=datetime(2021, 11, 12, tzinfo=UTC),
            event_name="Object Created",
        )
    ],
    "oss-put": [
        Upload(
            provider="oss",
            bucket="testbucket",
            key="image/a+b.jpg",
            uri="s3://testbucket/image/a+b.jpg",
            etag="688A7BF4F233DC9C88A80BF985AB7329",
            bytes=122539,
            event_id="58F9FF2D3DF792092E12044C",
            event_time=datetime(2017, 4, 21, 12, 46, 37, tzinfo=UTC),
            event_name="ObjectCreated:PutObject",
        )
    ],
    "minio-put": [
        Upload(
            provider="minio",
            bucket="anze",
            key="in/hello world+1.mp4",
            uri="s3://anze/in/hello world+1.mp4",
            etag="5fc7298143efe1276d39a3466d4e255f-1",
            bytes=224662,
            event_id="15CFEDF8D4736ED9",
            sequencer="15CFEDF8D5304D1A",
            event_time=datetime(2019, 10, 22, 9, 27, 27, tzinfo=UTC),
            event_name="s3:ObjectCreated:Put",
        )
    ],
    "cloudevent-uri": [
        Upload(
            provider="s3",
            bucket="uploads",
            key="in/a+b%20c.mp4",
            uri="s3://uploads/in/a+b%20c.mp4",
            version="3",
            etag="9d377b10ce778c4938b3c7e2c63a229a",
            bytes=1000,
            event_id="https://uploads.example.com/desk A234-1234-1234",
            event_time=datetime(2018, 4, 5, 17, 31, tzinfo=UTC),
            event_name="com.example.clip.ready",
        )
    ],
}

KEYS: dict[str, tuple[list[str], list[tuple[Reason, str | None]]]] = {
    "s3-several": (
        ["in/a.MOV", "in/b.mp4"],
        [
            (Reason.FOLDER_MARKER, "in/folder/"),
            (Reason.ZERO_BYTES, "in/empty.mp4"),
            (Reason.DELETION, "in/c.mp4"),
            (Reason.DELETION, "in/d.mp4"),
            (Reason.NOT_AN_UPLOAD, "in/e.mp4"),
        ],
    ),
    "s3-in-sqs": (["in/red flower+1.mp4"], [(Reason.TEST_EVENT, None)]),
    "s3-test-event": ([], [(Reason.TEST_EVENT, None)]),
    "sns-subscription": ([], [(Reason.NOT_AN_UPLOAD, None)]),
    "s3-eventbridge-deleted": ([], [(Reason.DELETION, "in/100%25+real.mp4")]),
    "obs-complete": (["上传/clip 1.mp4"], []),
    "oss-part": ([], [(Reason.INTERNAL, "image/a+b.jpg")]),
    "gcs-deleted": ([], [(Reason.DELETION, "folder/a+b%20c.mp4")]),
    "minio-own-output": ([], [(Reason.OWN_OUTPUT, "in/hello world+1.mp4")]),
    "seaweedfs-create": (["in/clip one+two ü%20.mp4"], []),
    "seaweedfs-overwrite": (["in/tiny.mov"], []),
    "seaweedfs-copy": (["in/copy.mp4"], []),
    "seaweedfs-version": (["in/v.mp4"], []),
    "seaweedfs-rename": (["in/renamed+x.mp4"], [(Reason.DELETION, "in/big.mp4")]),
    "seaweedfs-tagged": ([], [(Reason.UNCHANGED, "in/tiny.mov")]),
    "seaweedfs-metadata": ([], [(Reason.UNCHANGED, "in/big.mp4")]),
    "seaweedfs-superseded": ([], [(Reason.UNCHANGED, "in/v.mp4")]),
    "seaweedfs-delete": ([], [(Reason.DELETION, "in/copy.mp4")]),
    "seaweedfs-delete-marker": ([], [(Reason.DELETION, "in/v.mp4")]),
    "seaweedfs-zero-bytes": ([], [(Reason.ZERO_BYTES, "in/zero.mp4")]),
    "seaweedfs-own-output": ([], [(Reason.OWN_OUTPUT, "out/own.mp4")]),
    "seaweedfs-folder-marker": ([], [(Reason.FOLDER_MARKER, None)]),
    "seaweedfs-versions-folder": ([], [(Reason.FOLDER_MARKER, None)]),
    "seaweedfs-part": ([], [(Reason.INTERNAL, None)]),
    "seaweedfs-bucket": ([], [(Reason.INTERNAL, None)]),
    "seaweedfs-bucket-owner": ([], [(Reason.INTERNAL, None)]),
    "seaweedfs-outside": ([], [(Reason.INTERNAL, None)]),
}


@pytest.mark.parametrize("name", ARRIVALS)
def test_an_arrival_is_told_in_full(name: str) -> None:
    """Every fact of the event is in the upload, in our words and units."""
    assert ARRIVALS[name] == list(parsed(name).uploads)


@pytest.mark.parametrize("name", KEYS)
def test_what_is_no_upload_is_named_with_its_reason(name: str) -> None:
    """All records are accounted for, in order, as uploads or with why they are none."""
    told = parsed(name)

    found = [(i.reason, i.about.key if i.about else None) for i in told.ignored]
    assert KEYS[name] == ([u.key for u in told.uploads], found)


def test_every_payload_is_tested() -> None:
    """A file in `events/` that nothing expects anything of proves nothing."""
    assert NAMES == sorted({*ARRIVALS, *KEYS})


@pytest.mark.parametrize("name", [n for n in NAMES if not n.endswith("-binary")])
def test_text_bytes_and_mapping_are_the_same(name: str) -> None:
    """A handler may decode the request or leave that to us."""
    sent = payload(name)

    assert parsed(name) == parse(json.dumps(sent))
    assert parsed(name) == parse(json.dumps(sent, ensure_ascii=False).encode())
    assert parsed(name) == Parsed.from_json(parsed(name).to_json())


def test_a_version_is_known_by_its_id_and_a_marker_takes_the_key() -> None:
    """SeaweedFS keeps versions as files; we see the object that they belong to."""
    version = parsed("seaweedfs-version").uploads[0]
    marker = parsed("seaweedfs-delete-marker").ignored[0].about

    assert ("in/v.mp4", "6715884908006b21d6a418a810900e0f") == (
        version.key,
        version.version,
    )
    assert "f97c5d29941bfb1b2fdab0874906ab82" == version.etag
    assert marker is not None
    assert marker.version is None


def test_a_deletion_names_the_version_that_went_and_a_marker_none() -> None:
    """A marker's version is its own: what went is the key."""
    sent = payload("s3-several")
    told = {i.about.key: i.about for i in parse(sent).ignored if i.about}
    sent["Records"][4]["s3"]["object"]["versionId"] = "v1"
    permanent = {i.about.key: i.about for i in parse(sent).ignored if i.about}

    assert (None, None) == (told["in/c.mp4"].version, told["in/d.mp4"].version)
    assert "v1" == permanent["in/c.mp4"].version


@pytest.mark.parametrize(
    "number", [-1, 2**63, pytest.param(10**5000, id="huge"), 1.5, "many", float("nan")]
)
def test_a_number_that_counts_nothing_is_refused(number: object) -> None:
    """Neither guessed nor clamped: a size is bytes, a generation microseconds."""
    for field in ("size", "generation"):
        sent = payload("gcs-structured")
        sent["data"][field] = number
        with pytest.raises(EventError, match=field):
            parse(sent)


def test_events_in_a_list_are_all_read() -> None:
    """A batch of CloudEvents is a JSON list."""
    both = [payload("cloudevent-uri"), payload("gcs-structured")]

    told = parse(json.dumps(both))

    assert ["in/a+b%20c.mp4", "folder/a+b%20c.mp4"] == [u.key for u in told.uploads]


def test_a_cloudevent_may_carry_its_data_in_base64() -> None:
    """As the JSON format allows for any data."""
    sent = payload("gcs-structured")
    sent["data_base64"] = base64.b64encode(json.dumps(sent.pop("data")).encode())
    sent["data_base64"] = sent["data_base64"].decode()

    assert (GCS_PUT,) == parse(sent).uploads


def test_a_web_address_is_an_upload_whose_signature_is_no_part_of_it() -> None:
    """Host and path identify it; the query stays in the address that opens it."""
    sent = payload("cloudevent-uri")
    sent["data"] = {"uri": "https://cdn.example.com/a%20b.mp4?X-Amz-Signature=abc"}

    upload = parse(sent).uploads[0]

    assert ("http", "cdn.example.com", "a%20b.mp4") == (
        upload.provider,
        upload.bucket,
        upload.key,
    )
    assert sent["data"]["uri"] == upload.uri


@pytest.mark.parametrize(
    "uri",
    [
        "file:///etc/passwd",
        "/etc/passwd",
        "s3://",
        "s3://bucket",
        "https://host/",
        "https://me:secret@host/a.mp4",
        "http://[::1/a.mp4",
        "concat:a|b",
        "",
    ],
)
def test_an_event_cannot_name_our_files(uri: str) -> None:
    """Whoever may send a request may not thereby read this machine's disk."""
    sent = payload("cloudevent-uri")
    sent["data"]["uri"] = uri

    with pytest.raises(EventError, match="uri"):
        parse(sent)


@pytest.mark.parametrize("name", ["ObjectCreated:Put", "s3:ObjectCreated:Put"])
def test_obs_is_known_by_its_name_too(name: str) -> None:
    """It leaves its name out of a trigger's records; whoever forwards them may not."""
    event = payload("obs-post")
    event["Records"][0] |= {"eventSource": "OBS", "eventName": name}

    (upload,) = parse(event).uploads

    assert "obs" == upload.provider


def test_encoding_can_be_what_the_subscription_says() -> None:
    """EventGrid encodes keys where `objectKeyEncode` is set; no event says so."""
    sent = payload("obs-eventgrid-list")

    keys = [u.key for u in parse(sent, keys_encoded=True).uploads]
    raw = parse(payload("s3-put"), keys_encoded=False).uploads[0].key

    assert ["test.tar", "a b c.mp4"] == keys
    assert "in/red+flower%2B1.mp4" == raw


def test_only_what_the_filter_takes_is_an_upload() -> None:
    """Foreign prefixes and suffixes are told apart; case matters in the prefix only."""
    sent = payload("s3-several")

    told = parse(sent, only=Filter(prefix="in/a", suffixes=(".mov", ".mp4")))
    other = parse(sent, only=Filter(suffixes=(".MP4",)))

    assert ["in/a.MOV"] == [u.key for u in told.uploads]
    assert Reason.FOREIGN_PREFIX == told.ignored[0].reason
    assert ["in/b.mp4"] == [u.key for u in other.uploads]
    assert Reason.FOREIGN_SUFFIX == other.ignored[0].reason


def test_messages_of_a_batch_can_be_handled_one_by_one() -> None:
    """Of a batch only the message that failed is delivered again."""
    sent = payload("s3-in-sqs")
    sent["Records"][1]["body"] = "{"

    messages = batch(sent)

    assert ["059f36b4-87a3-44ab-83d2-661970000001"] == [m[0] for m in messages[:1]]
    assert (S3_PUT,) == parse(messages[0][1]).uploads
    with pytest.raises(EventError):
        parse(messages[1][1])
    with pytest.raises(EventError):
        parse(sent)
    assert () == batch(payload("s3-put"))


@pytest.mark.parametrize(
    ("name", "path", "said"),
    [
        ("s3-put", "Records.0.s3", "Record 1 of the notification lacks 's3'"),
        ("s3-put", "Records.0.s3.object.key", "lacks 's3.object.key'"),
        ("s3-put", "Records.0.s3.bucket.name", "lacks 's3.bucket.name'"),
        ("s3-put", "Records.0.eventName", "lacks 'eventName'"),
        ("oss-put", "events.0.oss.bucket", "lacks 'oss.bucket'"),
        ("obs-eventgrid", "data.obs.object", "lacks 'obs.object'"),
        ("gcs-structured", "data.name", "lacks 'name'"),
        ("gcs-structured", "source", "lacks 'source'"),
        ("gcs-structured", "data", "no JSON object"),
        ("cloudevent-uri", "data.uri", "lacks 'uri'"),
        ("s3-eventbridge", "detail.object.key", "lacks 'detail.object.key'"),
        ("seaweedfs-create", "message", "lacks 'message'"),
        ("s3-in-sns", "Records.0.Sns.Message", "lacks 'Sns.Message'"),
        ("s3-in-sqs", "Records.0.messageId", "lacks 'messageId'"),
    ],
)
def test_what_is_missing_is_named(name: str, path: str, said: str) -> None:
    """The sentence says which field of which record an operator should look at."""
    sent = payload(name)
    *way, last = [int(p) if p.isdigit() else p for p in path.split(".")]
    place = sent
    for step in way:
        place = place[step]
    del place[last]

    with pytest.raises(EventError, match=said.replace(".", r"\.")):
        parse(sent)


@pytest.mark.parametrize(
    "text",
    ["", "nonsense", "[1]", '"text"', "{}", "null", b"\xff\xfe\xfa", "[" * 10**5],
)
def test_what_is_no_event_is_refused(text: str | bytes) -> None:
    """Not JSON, not an object, or none of the dialects: always the same error."""
    with pytest.raises(EventError):
        parse(text)


def test_envelopes_end_somewhere() -> None:
    """A message that wraps itself again and again is refused."""
    message = payload("s3-put")
    for _ in range(6):
        body = json.dumps(message)
        message = {"Records": [{"messageId": "1", "receiptHandle": "1", "body": body}]}

    with pytest.raises(EventError, match="envelopes"):
        parse(message)


def test_a_binary_envelope_that_lacks_an_attribute_is_refused() -> None:
    """Headers are checked as a body is."""
    sent = payload("gcs-binary")
    del sent["headers"]["ce-source"]

    with pytest.raises(EventError, match="lacks 'source'"):
        parse(sent["body"], headers=sent["headers"])


# ── keys ──────────────────────────────────────────────────────────────────────

NASTY = st.text(
    st.one_of(
        st.sampled_from("/+%& ?#=;'\"\\`$|<>*[]{}().-_~:,@!^\t\n\r\0éßüあ漢🎬\u202e"),
        st.characters(exclude_categories=["Cs"]),
    ),
    min_size=1,
    max_size=60,
)


def _s3_key(sent: Any, key: str) -> None:
    sent["Records"][0]["s3"]["object"]["key"] = quote_plus(key, safe="/")


def _minio_key(sent: Any, key: str) -> None:
    sent["Records"][0]["s3"]["object"]["key"] = quote_plus(key)


def _obs_key(sent: Any, key: str) -> None:
    sent["Records"][0]["obs"]["object"]["key"] = quote(key)


def _grid_key(sent: Any, key: str) -> None:
    sent["data"]["obs"]["object"]["key"] = key


def _oss_key(sent: Any, key: str) -> None:
    sent["events"][0]["oss"]["object"]["key"] = key


def _gcs_key(sent: Any, key: str) -> None:
    sent["data"]["name"] = key


def _bridge_key(sent: Any, key: str) -> None:
    sent["detail"]["object"]["key"] = key


def _uri_key(sent: Any, key: str) -> None:
    sent["data"]["uri"] = f"s3://uploads/{key}"


def _filer_key(sent: Any, key: str) -> None:
    parent, _, name = f"/buckets/uploads/{key}".rpartition("/")
    sent["key"], sent["message"]["new_parent_path"] = f"{parent}/{name}", parent
    sent["message"]["new_entry"]["name"] = name or "/"


SPELLINGS: dict[str, Callable[[Any, str], None]] = {
    "s3-put": _s3_key,
    "minio-put": _minio_key,
    "obs-complete": _obs_key,
    "obs-eventgrid": _grid_key,
    "oss-put": _oss_key,
    "gcs-structured": _gcs_key,
    "s3-eventbridge": _bridge_key,
    "cloudevent-uri": _uri_key,
}
SENT = {name: payload(name) for name in (*SPELLINGS, "seaweedfs-create")}


@settings(max_examples=200, derandomize=True, deadline=None)
@given(key=NASTY)
@example(key="awesome'movie.mov")
@example(key="a&b=c?.mp4")
@example(key="te[s]t_ video ' _ .flv")
@example(key="../../etc/passwd")
@example(key="-rf")
@example(key="a%2Fb+c%252B.mp4")
@example(key="é" * 511)
def test_keys_come_through_exactly(key: str) -> None:
    """Decoded once where the dialect encodes, never elsewhere, whatever they hold."""
    for name, spell in SPELLINGS.items():
        sent = deepcopy(SENT[name])
        spell(sent, key)

        for told in (parse(sent), parse(json.dumps(sent))):
            found: list[Upload | Ignored] = [*told.uploads, *told.ignored]
            about = found[0].about if isinstance(found[0], Ignored) else found[0]
            assert about is not None
            assert (name, key) == (name, about.key)
            assert about.uri == f"{about.uri.split('://')[0]}://{about.bucket}/{key}"


@settings(max_examples=100, derandomize=True, deadline=None)
@given(key=NASTY)
def test_a_filer_names_keys_as_they_are(key: str) -> None:
    """SeaweedFS sends folder and name apart, and neither encoded."""
    sent = deepcopy(SENT["seaweedfs-create"])
    if key.endswith("/") or key.startswith(".uploads/"):
        key += "x"
    _filer_key(sent, key)

    assert [key] == [upload.key for upload in parse(sent).uploads]


def test_a_key_that_is_not_utf8_is_refused() -> None:
    """What cannot be told exactly is not guessed at."""
    sent = payload("s3-put")
    sent["Records"][0]["s3"]["object"]["key"] = "in/%FF.mp4"
    with pytest.raises(EventError, match="UTF-8"):
        parse(sent)

    sent["Records"][0]["s3"]["object"]["key"] = "in/\ud800.mp4"
    with pytest.raises(EventError, match="unicode"):
        parse(sent)


# ── a watched folder ──────────────────────────────────────────────────────────


def test_a_file_is_the_source_that_its_store_finds() -> None:
    """Address and etag are the folder store's, so that both name one job."""
    with tempfile.TemporaryDirectory() as root:
        path = Path(root, "new", "a+b %20.mp4")
        path.parent.mkdir()
        path.write_bytes(b"clip")
        status = path.stat()

        upload = from_file(
            f"{root}/./new/../new/{path.name}",
            root=f"{root}/",
            size=status.st_size,
            modified_ns=status.st_mtime_ns,
        )
        source = folder_source.locate(str(path))

    assert (source.uri, source.etag, source.bytes) == (
        upload.uri,
        upload.etag,
        upload.bytes,
    )
    assert (root, "new/a+b %20.mp4") == (upload.bucket, upload.key)


@pytest.mark.parametrize(
    ("path", "root"),
    [
        ("/watched", "/watched"),
        ("/watched/../else.mp4", "/watched"),
        ("/watchedelse/a.mp4", "/watched"),
        ("a.mp4", "/watched"),
        ("/watched/a.mp4", "watched"),
        ("/watched/\udcff.mp4", "/watched"),
    ],
)
def test_a_file_outside_the_folder_is_refused(path: str, root: str) -> None:
    """Neither a neighbour with a longer name nor a way out by dots."""
    with pytest.raises(EventError):
        from_file(path, root=root, size=1, modified_ns=1)


# ── anything at all ───────────────────────────────────────────────────────────

WORDS = st.sampled_from(
    [
        *("Records", "events", "specversion", "detail-type", "event_type", "message"),
        *("s3", "obs", "oss", "object", "bucket", "key", "name", "size", "eTag", "id"),
        *("detail", "data", "data_base64", "uri", "type", "source", "Sns", "Message"),
        *("body", "messageId", "new_entry", "old_entry", "attributes", "eventName"),
        *("TopicArn", "Type", "Notification", "Event", "s3:TestEvent", "time", "mtime"),
        *("google.cloud.storage.object.v1.finalized", "HC.OBS.DWR", "Object Created"),
        *("ObjectCreated:Put", "extended", "chunks", "generation", "metadata"),
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | WORDS | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(WORDS | st.text(), inner, max_size=5)
    ),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(message=JSON, headers=st.none() | st.dictionaries(st.text(), st.text()))
def test_nothing_but_an_event_error_is_ever_raised(
    message: Any, headers: dict[str, str] | None
) -> None:
    """Arbitrary JSON is parsed or refused, as a value and as text."""
    for sent in (message, json.dumps(message), json.dumps(message).encode()):
        try:
            told = parse(sent, headers=headers)
        except EventError as exc:
            exc.describe().to_json()
        else:
            told.to_json()


def _places(value: Any, way: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to everything inside a JSON value."""
    inner: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        inner = list(value.items())
    elif isinstance(value, list):
        inner = list(enumerate(value))
    return [p for k, v in inner for p in [(*way, k), *_places(v, (*way, k))]]


@settings(max_examples=400, deadline=None)
@given(name=st.sampled_from(NAMES), data=st.data())
def test_a_spoiled_event_is_read_or_refused(name: str, data: st.DataObject) -> None:
    """A real event with one thing gone or replaced by any JSON never breaks us."""
    sent = payload(name)
    headers = sent["headers"] if name.endswith("-binary") else None
    sent = sent["body"] if headers else sent
    *way, last = data.draw(st.sampled_from(_places(sent)))
    place = sent
    for step in way:
        place = place[step]
    if data.draw(st.booleans()):
        del place[last]
    else:
        place[last] = data.draw(
            JSON | st.integers(min_value=10**18) | st.just("\ud800")
        )
    try:
        told = parse(sent, headers=headers)
    except EventError as exc:
        exc.describe().to_json()
    else:
        told.to_json()

"""Which upload of a key is the newest, and which two are one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..contract import Upload
from .verdict import Ignored, Reason


def newest(
    uploads: Iterable[Upload], *, ignored: Iterable[Ignored] = ()
) -> tuple[Upload, ...]:
    """
    One upload of each key: the newest, whatever order the events came in.

    Those that a deletion among *ignored* took away again are not counted. Sequencers
    decide where all of a key's uploads have one, else times where all have one, else
    the order given. Keys come in the order of their first upload.
    """
    keys: dict[tuple[str, str, str], list[Upload]] = {}
    for upload in uploads:
        keys.setdefault(_object(upload), []).append(upload)
    gone: dict[tuple[str, str, str], list[Upload]] = {}
    for each in ignored:
        if each.reason is Reason.DELETION and each.about is not None:
            gone.setdefault(_object(each.about), []).append(each.about)
    left = (
        [u for u in found if not any(_takes_away(d, u) for d in gone.get(key, ()))]
        for key, found in keys.items()
    )
    return tuple(_newest(found) for found in left if found)


def _object(upload: Upload) -> tuple[str, str, str]:
    return upload.provider, upload.bucket, upload.key


def _newest(uploads: Sequence[Upload]) -> Upload:
    def settled(upload: Upload) -> tuple[str, str]:
        # What is told twice with different content still has one answer.
        return upload.version or "", upload.etag or ""

    if all(u.sequencer for u in uploads):
        return max(uploads, key=lambda u: (_padded(u.sequencer), settled(u)))
    if all(u.event_time for u in uploads):
        return max(uploads, key=lambda u: (u.event_time, settled(u)))
    return uploads[-1]


def _takes_away(deletion: Upload, upload: Upload) -> bool:
    if deletion.version is not None:
        return upload.version == deletion.version
    if deletion.sequencer and upload.sequencer:
        return _padded(upload.sequencer) <= _padded(deletion.sequencer)
    if deletion.event_time and upload.event_time:
        return upload.event_time <= deletion.event_time
    # Nobody knows which came first; reading the source will tell.
    return False


def _padded(sequencer: str | None) -> str:
    # Without its trailing zeros a text sorts as if both were padded with them:
    # https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
    return (sequencer or "").rstrip("0")

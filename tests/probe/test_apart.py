"""Of a remote upload the process that decodes it has no network; another fetches."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.conftest import MakeClip

ROOT = Path(__file__).resolve().parents[2]

_PROBE = """
import json, os, socket, sys
from transcode.probe.child import __main__ as child
"x".encode("idna")
gather = child.gather
def looked_at(reader, open_, **more):
    def tries(act):
        try:
            act()
        except OSError as exc:
            return type(exc).__name__
        return "done"
    port = int(sys.argv[1])
    said = [
        tries(lambda: socket.create_connection(("127.0.0.1", port), 1)),
        tries(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)),
        tries(os.fork),
    ]
    found = gather(reader, open_, **more)
    found.answer["said"] = said
    return found
child.gather = looked_at
child.main()
"""


def test_a_decoder_of_a_remote_upload_opens_no_socket(
    server: Any, make_clip: MakeClip
) -> None:
    """
    And all the same it reads what the other process fetches.
    """
    clip = make_clip("remote.mp4", 2)
    server.files["/x.mp4"] = clip
    request = {
        "location": f"{server.url}/x.mp4",
        "memory_bytes": 2**31,
        "cpu_seconds": 60,
        "patience_seconds": 30,
        "open_files": 48,
        "budget_bytes": 2**21,
        "large_bytes": 50 * 2**20,
        "least_bytes": 2**18,
        "late_bytes": 2**23,
        "fence_required": False,
        "public_only": False,
    }
    done = subprocess.run(
        [sys.executable, "-c", _PROBE, str(server.server_port)],
        cwd=ROOT,
        input=json.dumps(request),
        capture_output=True,
        check=True,
        text=True,
        timeout=120,
    )
    answer = json.loads(done.stdout)

    assert answer["ok"], answer
    assert ["PermissionError"] * 3 == answer["facts"]["said"]
    assert 2 == len(answer["facts"]["streams"])

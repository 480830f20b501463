"""
Kubernetes: `python -m transcode.handlers.kubernetes ORDER`, the command of a Job's pod.

ORDER is where the records of the attempt lie. Keys to the store come in the
environment, how much memory and CPU the container has in the arguments, as the
cluster says it.
"""

from __future__ import annotations

import argparse
import json
import os
import sys

# As in `aws_lambda`: what a call needs is loaded by it.
# ruff: noqa: PLC0415


def main() -> int:
    """Do the task of ORDER; 0 once it is reported, or where it is not ours to do."""
    parser = argparse.ArgumentParser(prog="transcode.handlers.kubernetes")
    parser.add_argument("--memory-mib", type=int, required=True)
    parser.add_argument("--milli-cpus", type=int, required=True)
    parser.add_argument("--settings", default="{}", help="JSON; the environment wins")
    parser.add_argument("order", help="where the attempt's records lie")
    given = parser.parse_args()

    from transcode.errors import TranscodeError
    from transcode.signals import run_to_the_end

    try:
        ours = run_to_the_end(
            lambda: _perform(
                given.order, given.settings, given.memory_mib, given.milli_cpus
            )
        )
    except TranscodeError as exc:
        failure = exc.describe().model_dump(mode="json")
        sys.stderr.write(json.dumps({"level": "error", **failure}) + "\n")
        return exc.exit_code
    told = {"level": "info", "order": given.order, "ours": ours}
    sys.stderr.write(json.dumps(told) + "\n")
    return 0


async def _perform(order: str, told: str, memory_mib: int, milli_cpus: int) -> bool:
    from transcode.contract import Spec
    from transcode.functions.task import perform_task
    from transcode.platforms.machine import this_machine
    from transcode.platforms.platform import Machine
    from transcode.sandbox.environment import keep_private
    from transcode.settings import Settings
    from transcode.store.connections import keep_open
    from transcode.wiring import Wiring

    keep_private()
    own = Settings.from_environment(os.environ)
    mine = {name: getattr(own, name) for name in own.model_fields_set}
    settings = Settings.from_json(told).model_copy(update=mine)
    there = this_machine(Wiring(settings).scratch)
    held = Machine(
        milli_cpus=milli_cpus, memory_mib=memory_mib, scratch_mib=there.scratch_mib
    )
    async with keep_open():
        return await perform_task(
            order,
            Wiring(settings, held_to=held),
            given=Spec(memory_mib=memory_mib, milli_cpus=milli_cpus),
        )


if __name__ == "__main__":
    sys.exit(main())

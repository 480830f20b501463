"""
A real Ray cluster of several nodes on this machine, in a process of its own.

`python ray_cluster.py CPUS…`: one node for each; the address is the first line said.
Then one command a line: `freeze N`, `thaw N`, `kill N` of a node's raylet; it answers
with a line each, and ends with its input.
"""

from __future__ import annotations

import signal
import sys
from typing import Any

from ray.cluster_utils import Cluster

MIB = 2**20
SIGNALS = {
    "freeze": signal.SIGSTOP,
    "thaw": signal.SIGCONT,
    "kill": signal.SIGKILL,
}


def raylet(node: Any) -> Any:
    (found,) = node.all_processes["raylet"]
    return found.process


def main() -> None:
    cpus = [int(text) for text in sys.argv[1:]]
    size = {"memory": 2048 * MIB, "object_store_memory": 80 * MIB}
    cluster = Cluster(
        initialize_head=True,
        head_node_args={"num_cpus": cpus[0], "include_dashboard": False, **size},
    )
    nodes = [cluster.head_node]
    nodes += [cluster.add_node(num_cpus=count, **size) for count in cpus[1:]]
    sys.stdout.write(f"{cluster.address}\n")
    sys.stdout.flush()
    for line in sys.stdin:
        what, number = line.split()
        raylet(nodes[int(number)]).send_signal(SIGNALS[what])
        sys.stdout.write("done\n")
        sys.stdout.flush()
    cluster.shutdown()


main()

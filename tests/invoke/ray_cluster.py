"""
A real Ray cluster of several nodes on this machine, in a process of its own.

`python ray_cluster.py CPUS…`: one node for each; the address is the first line said.
It ends with its input.
"""

from __future__ import annotations

import sys

from ray.cluster_utils import Cluster

MIB = 2**20


def main() -> None:
    cpus = [int(text) for text in sys.argv[1:]]
    size = {"memory": 2048 * MIB, "object_store_memory": 80 * MIB}
    cluster = Cluster(
        initialize_head=True,
        head_node_args={"num_cpus": cpus[0], "include_dashboard": False, **size},
    )
    for count in cpus[1:]:
        cluster.add_node(num_cpus=count, **size)
    sys.stdout.write(f"{cluster.address}\n")
    sys.stdout.flush()
    sys.stdin.read()
    cluster.shutdown()


main()

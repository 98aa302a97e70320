"""A Ray cluster on this machine, as a process: prints its address, kills a node for each line it reads, ends with its input.

A process of its own, because Ray leaves files open that a test session would complain of.
"""

import os
import sys

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"

from ray.cluster_utils import Cluster

STORE_BYTES = 100 * 2**20
LOOPBACK = "127.0.0.2"


def main() -> None:
    """A head that computes nothing, and two nodes of one CPU each."""
    common = {"object_store_memory": STORE_BYTES, "node_ip_address": LOOPBACK}
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False, **common})
    nodes = [cluster.add_node(num_cpus=1, **common) for _ in range(2)]
    print(f"address {cluster.address}", flush=True)
    for _ in sys.stdin:
        # Not gracefully: its processes are killed, nobody is told.
        cluster.remove_node(nodes.pop(), allow_graceful=False)
        print("killed", flush=True)
    cluster.shutdown()


if __name__ == "__main__":
    main()

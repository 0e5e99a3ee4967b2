"""Pools of Node.js. `node/` opens them and runs the same jobs."""

from __future__ import annotations

from benchmarks.versus.contestants import node

node(
    "node-poolifier",
    "Node poolifier, threads",
    package="poolifier",
    scenarios={"throughput", "burst", "start_up", "memory"},
)
node(
    "node-poolifier-queue",
    "Node poolifier, threads, queue on",
    package="poolifier",
    scenarios={"throughput", "burst", "queued"},
)
node("node-poolifier-cluster", "Node poolifier, cluster", package="poolifier", scenarios={"throughput", "burst"})
node("node-piscina", "Node Piscina", package="piscina", scenarios={"throughput", "burst", "give"})
node("node-tinypool", "Node Tinypool", package="tinypool", scenarios={"queued"})
node("node-workerpool", "Node workerpool", package="workerpool", scenarios={"start_up"})

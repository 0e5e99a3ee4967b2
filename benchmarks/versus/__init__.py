"""poolifier beside its peers: the same job, the same machine, the same run.

A **contestant** opens a pool and hands out one way to submit a task to it (`contestants/`). A **scenario** puts an
opened contestant to work and returns numbers (`scenarios/`). Either is one small file; its registry finds it.

Every sample is taken in an interpreter of its own, so that no contestant inherits another's threads, descriptors or
garbage. Samples of the contestants take turns, so that a machine that slows down slows all of them. What is
reported is the median, with the least and the most, and its ratio to a peer.
"""

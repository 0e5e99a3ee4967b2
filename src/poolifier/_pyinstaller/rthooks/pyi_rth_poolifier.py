"""Runs in a frozen program before its main script, and becomes a fork server or a worker if a pool has started it."""


def _become_what_a_pool_wants() -> None:
    import os
    import sys

    if len(sys.argv) > 1 and sys.argv[1] == "--multiprocessing-fork" and "POOLIFIER_STARTS" in os.environ:
        from multiprocessing.spawn import freeze_support

        freeze_support()


_become_what_a_pool_wants()
del _become_what_a_pool_wants

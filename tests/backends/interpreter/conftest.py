"""What these tests need is there from Python 3.13 on; `test_absent` is about the others."""

import sys

NEED_INTERPRETERS = [
    "test_backend.py",
    "test_buffers.py",
    "test_end_of_process.py",
    "test_left_behind.py",
    "test_pool.py",
    "test_shared_types.py",
    "test_traced_memory.py",
]

collect_ignore = NEED_INTERPRETERS if sys.version_info < (3, 13) else []

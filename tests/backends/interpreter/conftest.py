"""What these tests need is there from Python 3.13 on; `test_absent` is about the others."""

import sys

collect_ignore = ["test_end_of_process.py", "test_left_behind.py", "test_pool.py"] if sys.version_info < (3, 13) else []

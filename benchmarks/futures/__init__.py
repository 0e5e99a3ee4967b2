"""Our executors beside those of the standard library."""

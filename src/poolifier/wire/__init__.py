"""The language between a pool and its workers."""

"""Workers that are child processes."""

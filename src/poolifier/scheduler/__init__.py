"""The brain: decides where and when a task runs. Pure: no I/O, no clock, no threads."""

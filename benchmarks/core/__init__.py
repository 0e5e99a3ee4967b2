"""What the scheduler costs, in nanoseconds a task."""

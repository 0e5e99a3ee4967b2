"""A worker pool that runs CPU-heavy and blocking Python off the event loop."""

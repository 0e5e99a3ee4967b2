"""Events, metrics and the dashboard: they read snapshots and decide nothing."""

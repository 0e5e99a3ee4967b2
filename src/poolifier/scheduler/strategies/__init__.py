"""The worker choice strategies, one file each."""

"""The far side: what runs in a worker."""

"""The muscles: each kind of worker, behind the `Backend` protocol."""

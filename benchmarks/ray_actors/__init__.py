"""Ray's own pool of actors beside ours."""

"""Workers that are Ray actors, anywhere in a Ray cluster."""

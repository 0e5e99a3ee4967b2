"""How fast large values go to a worker and back, beside peers."""

"""What the kinds of workers cost, beside each other."""

"""Tools for testing pools and what runs on them."""

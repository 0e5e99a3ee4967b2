"""What importing poolifier costs."""

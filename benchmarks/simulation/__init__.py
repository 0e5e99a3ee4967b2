"""Ten thousand workers and a million tasks through each strategy, under a virtual clock."""

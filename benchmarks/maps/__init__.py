"""How maps over very many items behave."""

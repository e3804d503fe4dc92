"""Which PU takes which actor: the books, the bounds, the strategies."""

"""The Gallery: everything made, to look at, find again, go on from and give away."""

"""What steers the next run: its options, what it will cost, and the buttons that start and stop it."""

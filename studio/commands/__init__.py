"""The commands of prime-studio: each module has `add_arguments(parser)` and `run(args) -> int | None`."""

"""Networks, objective, trainer and export. torch lives here alone."""

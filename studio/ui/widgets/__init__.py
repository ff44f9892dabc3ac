"""Controls that every workspace is made of. Each asks for its name, so that none is without one for screen readers."""

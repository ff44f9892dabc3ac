"""What the window must reach, measured in a real window: `prime-studio bench --ui`."""

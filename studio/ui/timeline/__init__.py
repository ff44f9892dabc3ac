"""What was made, step by step: scrubbing, playing, curves, branching."""

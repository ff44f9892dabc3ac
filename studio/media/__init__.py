"""What people have (pictures, texts) to tokens and back."""

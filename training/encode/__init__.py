"""What turns clips into examples: augmented, encoded, kept."""

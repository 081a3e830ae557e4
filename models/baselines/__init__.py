"""What the paper compares with: a network for each stream."""

"""What the paper compares with: named configurations, and a network for each stream."""

"""What bench real measures, one idea a file: the clips, their masks and depth, what the nodes make of them, and the table."""

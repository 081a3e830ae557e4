"""What bench gpu measures on a card: steps of full-size networks, the demo, the tests of the nodes, and their table."""

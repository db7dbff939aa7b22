"""What the market's prices were: of all nodes together, span by span, and of each node, change by change."""

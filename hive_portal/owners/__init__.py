"""What the owners of Bees want to know: what runs there, what it earned, and why not more."""

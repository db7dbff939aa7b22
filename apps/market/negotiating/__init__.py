"""From a demand to an agreement that both sides have signed."""

"""When the money of a deployment ends: who is told, what goes first, and how it goes on."""

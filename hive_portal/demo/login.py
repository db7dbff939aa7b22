"""How to sign in to the demo. Printed by it; it listens on loopback only."""

LOGIN = "demo"
PASSWORD = "honeycomb"

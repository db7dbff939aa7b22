"""What the same resources cost at public clouds, by their published list prices."""

"""Replicas as virtual machines."""

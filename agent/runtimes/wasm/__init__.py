"""Replicas as WebAssembly modules."""

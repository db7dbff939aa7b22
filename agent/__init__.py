"""The Bee: a machine for rent. `cli.py` is its door, `life.py` its life, `converge.py` what it decides."""

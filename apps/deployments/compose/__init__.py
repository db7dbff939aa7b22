"""Compose files, from text to typed values.

`source` reads YAML and remembers lines, `interpolation` fills in variables, `values` knows the notations,
`file` the shape, `devices` and `wishes` the parts of it about GPUs and places, `affinity` what services want
of each other, `advice` the keys that are Compose but not (yet) the Hive; `notes` tells what is not as its
author may think, and `explain` turns errors into sentences.
"""

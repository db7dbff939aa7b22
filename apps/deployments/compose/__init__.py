"""Compose files, from text to typed values.

`source` reads YAML and remembers lines, `interpolation` fills in variables, `values` knows the notations,
`file` the shape, `advice` the keys that are Compose but not (yet) the Hive; `explain` turns errors into
sentences.
"""

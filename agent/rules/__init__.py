"""The owner's rules: what may run here, for whom and when, whatever the Queen says. All pure.

`judge.Judge` holds them ready to be asked; `hours`, `digests` and `signers` read what stands in bee.toml.
"""

"""Application keys: API tokens that may only do what their policy says.

`policy` keeps it, `reading` takes it in, `judging` holds an image, a node and a price against it, `pace` and
`reach` what its requests may be. Money is held against it in `apps/billing/budgets/key_limits.py`.
"""

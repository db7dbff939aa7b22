"""Whose wallet is whose: proofs, payment requests, stray deposits, withdrawals."""

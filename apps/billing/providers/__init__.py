"""What nodes ask and get: debit notes, disputes, and what covers them."""

"""Usage: taken in as signed, chained and once; rated by the least of three clocks; posted."""

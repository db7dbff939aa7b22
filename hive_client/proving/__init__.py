"""Recomputing an exported invoice offline, to the last digit: `prove`; several beside each other: `Together`.

The export is JSON: {"format", "invoice", "agreements", "signature"}. `invoice` is all that stands on the
paper; `agreements` has for each of its lines, in their order, the terms, both signatures over them (EIP-712),
and every usage report from the first on, as the node signed it, with what was billed of it. The line names
the hash of all that, and `signature` is the issuer's over the whole of `invoice`: there is no byte for which
nobody vouches.

Format 2 says beside it what of an invoice was used on credit (`credit_glm`); format 1 is checked as well.

Needs the libraries of the extra `verify`.
"""

from hive_client.proving.checks import Proven, prove
from hive_client.proving.located import Wrong
from hive_client.proving.together import Together

__all__ = ["Proven", "Together", "Wrong", "prove"]

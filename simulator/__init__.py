"""A local Runware: the same wire contract, in its own process, with a switch for every doubt."""

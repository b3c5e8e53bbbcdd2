"""The faces of the exchanges: addresses, requests, answers and bodies as pure functions over the market behind
them."""

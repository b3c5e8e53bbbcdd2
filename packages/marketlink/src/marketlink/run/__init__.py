"""Shells: the websocket feed, REST with its weight budget, retries and clocks (asyncio, websockets, httpx)."""

"""The HTTP shell: the exchange's REST paths and the control port, as one Starlette application."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from venue_sim.auth import json_members
from venue_sim.control import Control, Refused
from venue_sim.desk import Desk, Reply, Ticket
from venue_sim.http import HttpConnections


class Progress:
    """Tells waiting requests that the market has moved on."""

    def __init__(self) -> None:
        self._waiters: set[asyncio.Future[None]] = set()

    def moved(self) -> None:
        """Wake everybody who waits."""
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def wait(self, timeout_s: float) -> None:
        """Return at the next move or after the timeout."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.add(waiter)
        try:
            await asyncio.wait([waiter], timeout=timeout_s)
        finally:
            self._waiters.discard(waiter)


class Rest:
    """The REST paths over a `Desk`, waiting at most `depth_wait_s` for a book that is not known yet."""

    def __init__(
        self,
        desk: Desk,
        progress: Progress,
        ending: asyncio.Event,
        depth_wait_s: float,
        changed: Callable[[], None],
        http: HttpConnections,
    ) -> None:
        self._desk = desk
        self._http = http
        self._progress = progress
        self._ending = ending
        self._depth_wait_s = depth_wait_s
        self._changed = changed

    async def answer(self, request: Request) -> Response:
        """Answer any request of the exchange's own paths."""
        client = request.client.host if request.client else ""
        private = self._desk.trade is not None and self._desk.is_private(request.method, request.url.path)
        latencies = self._desk.latencies
        if private and (travel_s := latencies.request_s()):
            await asyncio.sleep(travel_s)
        body = (await request.body()).decode(errors="replace")
        who = None
        if self._desk.trade is not None:
            headers = {name.lower(): value for name, value in request.headers.items()}
            who = self._desk.trade.face.credentials(request.url.query, body, headers)
        query = {**json_members(body), **request.query_params}
        answer = self._desk.ask(request.method, request.url.path, query, client, time.monotonic_ns(), time.time(), who)
        self._changed()
        reply = await self._wait_for(answer) if isinstance(answer, Ticket) else answer
        if private and (travel_s := latencies.answer_s()):
            await asyncio.sleep(travel_s)
        if reply.hang_up:
            self._http.hang_up(request.client, reply.hang_up)
        elif reply.never:
            await self._ending.wait()
        elif reply.delay_s:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(reply.delay_s):
                    await self._ending.wait()
        return Response(reply.body, reply.status, dict(reply.headers), reply.media_type)

    async def _wait_for(self, ticket: Ticket) -> Reply:
        deadline = time.monotonic() + self._depth_wait_s
        while True:
            reply = self._desk.poll(ticket, time.monotonic_ns(), time.time())
            self._changed()
            if reply is not None:
                return reply
            left_s = deadline - time.monotonic()
            if left_s <= 0 or self._ending.is_set():
                return self._desk.give_up(ticket, time.time())
            await self._progress.wait(min(left_s, 0.5))


def application(rest: Rest, control: Control, changed: Callable[[], None]) -> Starlette:
    """Build the application; `changed` is called after every control request that may give the market something to
    do."""

    async def sim(request: Request) -> Response:
        what = (request.method, request.path_params["what"])
        try:
            match what:
                case ("GET", "state"):
                    return _json(control.state())
                case ("GET", "book"):
                    return Response(control.book(request.query_params), media_type="application/json")
                case ("GET", "orders" | "trades" | "accounts" | "truth"):
                    return Response(control.private(what[1]), media_type="application/json")
                case ("POST", "faults"):
                    answer = control.add_fault(await request.body())
                case ("DELETE", "faults"):
                    answer = control.clear_faults(request.query_params)
                case ("POST", "pause"):
                    answer = control.pause()
                case ("POST", "resume"):
                    answer = control.resume()
                case ("POST", "start"):
                    answer = control.start()
                case ("POST", "advance"):
                    answer = control.advance(request.query_params)
                case ("POST", "funding" | "liquidate" | "hedge"):
                    answer = control.happen(what[1], request.query_params)
                case ("POST" | "PUT" | "DELETE", "order"):
                    answer = control.order(what[0], request.query_params)
                case ("POST", "clock"):
                    answer = control.set_clock(request.query_params)
                case _:
                    raise Refused(404, f"no such control request: {what[0]} /sim/{what[1]}")
        except Refused as error:
            return _json({"error": error.message, "field": error.field}, error.status)
        changed()
        return _json(answer)

    async def gone(_: Request, __: Exception) -> Response:
        """A client left in the middle of its request, which is not carried out; nobody hears this answer."""
        return Response(status_code=400)

    methods = ["GET", "POST", "PUT", "DELETE"]
    return Starlette(
        routes=[
            Route("/sim/{what}", sim, methods=methods),
            Route("/{path:path}", rest.answer, methods=methods),
        ],
        exception_handlers={ClientDisconnect: gone},
    )


def _json(value: dict[str, Any], status: int = 200) -> Response:
    return Response(orjson.dumps(value), status, media_type="application/json")

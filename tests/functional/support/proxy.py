"""A proxy on loopback that makes of a good line a bad one: it cuts, refuses, delays and throttles. A library for the
tests and a program for the benchmarks, which prints its address and, when its input ends, what it passed on."""

import argparse
import asyncio
import json
import random
import socket
import sys
import threading
from collections import deque

PIECE = 64 * 1024
ENOUGH = 32 * 1024 * 1024  # on the way in one direction: more than a line of 1 Gbit/s and 200 ms holds
LATE = 0.1  # seconds
REFUSAL = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Line:
    """One direction: what is put in comes out `delay` seconds later, in order, however much of it there is."""

    def __init__(self, writer, delay):
        self.writer, self.delay = writer, delay
        self.waiting, self.held, self.changed = deque(), 0, asyncio.Condition()

    async def put(self, data):
        """b"" is the end."""
        due = asyncio.get_running_loop().time() + self.delay
        async with self.changed:
            await self.changed.wait_for(lambda: self.held < ENOUGH)
            self.waiting.append((due, data))
            self.held += len(data)
            self.changed.notify_all()

    async def run(self):
        loop = asyncio.get_running_loop()
        while True:
            async with self.changed:
                await self.changed.wait_for(lambda: self.waiting)
                due, data = self.waiting.popleft()
                self.held -= len(data)
                self.changed.notify_all()
            if (left := due - loop.time()) > 0:
                await asyncio.sleep(left)
            if not data:
                return
            self.writer.write(data)
            await self.writer.drain()


class Requests:
    """Knows in the bytes of a client where requests begin."""

    def __init__(self):
        self.buffer, self.body = b"", 0  # body: bytes still to come; None: nothing is known from here on

    def begins(self, data):
        """How many requests had their whole header with this piece."""
        count = 0
        self.buffer += data
        while self.body is not None and self.buffer:
            if self.body:
                taken = min(self.body, len(self.buffer))
                self.buffer, self.body = self.buffer[taken:], self.body - taken
                continue
            end = self.buffer.find(b"\r\n\r\n")
            if end < 0:
                return count
            head, self.buffer = self.buffer[:end].lower(), self.buffer[end + 4 :]
            count += 1
            fields = dict(line.split(b":", 1) for line in head.split(b"\r\n")[1:] if b":" in line)
            self.body = None if b"transfer-encoding" in fields else int(fields.get(b"content-length", 0))
        if self.body is None:
            self.buffer = b""
        return count


class Proxy:
    """`to` is host:port. `cut`: each connection ends after so many bytes to the client, of the first `cuts` connections
    that carry as many, or of all; `cut_up`: the same of bytes from the client, of which `taken` are passed on. `refuse`: this share of requests is answered with 503. `round_trip`: seconds; opening a
    connection takes one too. `rate`: bytes a second to the client, on each connection."""

    def __init__(self, to, cut=None, cuts=None, refuse=0.0, seed=1, round_trip=0.0, rate=None, cut_up=None):
        self.to, self.cut, self.cuts, self.refuse, self.cut_up = to, cut, cuts, refuse, cut_up
        self.round_trip, self.rate = round_trip, rate
        self.random = random.Random(seed)
        self.passed = self.taken = self.connections = self.requests = self.refused = self.severed = 0
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.host = "127.0.0.1:%d" % self.socket.getsockname()[1]
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def start(self):
        self.thread.start()
        return self

    def run(self):
        asyncio.set_event_loop(self.loop)
        self.loop.run_until_complete(asyncio.start_server(self.connection, sock=self.socket, limit=4 * PIECE))
        self.loop.run_forever()
        tasks = asyncio.all_tasks(self.loop)
        for task in tasks:
            task.cancel()
        self.loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))

    def stop(self):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.socket.close()

    def figures(self):
        return {name: getattr(self, name) for name in ("passed", "connections", "requests", "refused", "severed")}

    async def connection(self, reader, writer):
        try:
            await self.pass_on(reader, writer)
        except asyncio.CancelledError:  # stop()
            writer.close()

    async def pass_on(self, reader, writer):
        self.connections += 1
        far = None
        tasks = []
        try:
            host, _, port = self.to.rpartition(":")
            far_reader, far = await asyncio.open_connection(host, int(port), limit=4 * PIECE)
            for one in (writer, far):
                one.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            there, back = Line(far, self.round_trip / 2), Line(writer, self.round_trip / 2)
            back_end = asyncio.create_task(back.run())
            tasks = [back_end, *(asyncio.create_task(one) for one in (there.run(), self.upward(reader, far, there, back), self.downward(far_reader, back)))]
            # Over when the line to the client has ended, with the server's end, a refusal or a cut; or when any breaks.
            pending = set(tasks)
            while not back_end.done():
                done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
        except (OSError, EOFError):
            pass
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for one in (writer, far):
                if one is not None:
                    one.close()

    async def upward(self, reader, far, there, back):
        requests, carried = Requests(), 0
        # The client believes that it is connected as soon as it has called.
        await asyncio.sleep(self.round_trip)
        while data := await reader.read(PIECE):
            for _ in range(requests.begins(data)):
                self.requests += 1
                if self.random.random() < self.refuse:
                    self.refused += 1
                    await asyncio.sleep(self.round_trip / 2)
                    await back.put(REFUSAL)
                    await back.put(b"")
                    # Nothing more is to be had from there, and `downward` ends by it.
                    far.close()
                    await there.put(b"")
                    return
            carried += len(data)
            if self.cut_up is not None and carried >= self.cut_up and (self.cuts is None or self.severed < self.cuts):
                self.severed += 1
                data = data[: len(data) - (carried - self.cut_up)]
                self.taken += len(data)
                await there.put(data)
                await there.put(b"")
                await back.put(b"")
                return
            self.taken += len(data)
            await there.put(data)
        far.close()
        await there.put(b"")
        await back.put(b"")

    async def downward(self, far_reader, back):
        loop = asyncio.get_running_loop()
        sent, free_at = 0, loop.time()
        while data := await far_reader.read(PIECE):
            severed = self.cut is not None and sent + len(data) >= self.cut and (self.cuts is None or self.severed < self.cuts)
            if severed:
                data = data[: self.cut - sent]
            if self.rate:
                # What a late wake-up lost is made up for.
                free_at = max(free_at, loop.time() - LATE) + len(data) / self.rate
                await asyncio.sleep(max(0, free_at - loop.time()))
            sent += len(data)
            self.passed += len(data)
            await back.put(data)
            if severed:
                self.severed += 1
                break
        await back.put(b"")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("to", metavar="HOST:PORT")
    parser.add_argument("--cut", type=int, metavar="BYTES", help="end every connection after so many to the client")
    parser.add_argument("--refuse", type=float, default=0.0, metavar="SHARE", help="of requests, with 503")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--round-trip", type=float, default=0.0, metavar="SECONDS")
    parser.add_argument("--rate", type=float, metavar="BYTES", help="a second, to the client, on each connection")
    args = parser.parse_args()
    proxy = Proxy(args.to, cut=args.cut, refuse=args.refuse, seed=args.seed, round_trip=args.round_trip, rate=args.rate).start()
    print(proxy.host, flush=True)
    sys.stdin.read()
    proxy.stop()
    print(json.dumps(proxy.figures()))


if __name__ == "__main__":
    main()

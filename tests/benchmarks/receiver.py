"""`python -m tests.benchmarks.receiver`: a receiver of webhooks that costs little.

It prints its port, and answers a GET with how many messages it got.
"""

import asyncio


class Receiver(asyncio.Protocol):
    """Requests that one after the other come over one connection; they are hardly looked at."""

    count = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.data = b""

    def data_received(self, data: bytes) -> None:
        self.data += data
        while (end := self.data.find(b"\r\n\r\n")) >= 0:
            head = self.data[:end].lower() + b"\r\n"
            at = head.find(b"content-length:")
            size = int(head[at + 15 : head.index(b"\r\n", at)]) if at >= 0 else 0
            if len(self.data) < end + 4 + size:
                return
            self.data = self.data[end + 4 + size :]
            is_question = head.startswith(b"get ")
            Receiver.count += not is_question
            body = str(Receiver.count).encode() if is_question else b"ok"
            self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))


async def main() -> None:
    server = await asyncio.get_running_loop().create_server(Receiver, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())

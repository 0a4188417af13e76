"""A mail server that speaks SMTP over a real socket on 127.0.0.1, as far as sending takes it."""

import socketserver
import threading
from types import TracebackType
from typing import Self


class FakeMailServer:
    """messages: (recipients, raw message). refusals: answers to the next RCPT commands, one each, as "550 No such person"."""

    def __init__(self) -> None:
        self.messages: list[tuple[list[str], bytes]] = []
        self.refusals: list[str] = []

    def __enter__(self) -> Self:
        handler = type("BoundConversation", (_Conversation,), {"mail": self})
        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Conversation(socketserver.StreamRequestHandler):
    mail: FakeMailServer

    def handle(self) -> None:
        self.say("220 mail.example.com")
        recipients: list[str] = []
        while line := self.rfile.readline().decode().strip():
            command = line.split(":")[0].upper()
            if command.startswith("RCPT TO") and self.mail.refusals:
                self.say(self.mail.refusals.pop(0))
            elif command.startswith("RCPT TO"):
                recipients.append(line.partition(":")[2].strip("<>"))
                self.say("250 OK")
            elif command == "DATA":
                self.say("354 Go on")
                self.mail.messages.append((recipients, self.data()))
                recipients = []
                self.say("250 OK")
            elif command == "QUIT":
                self.say("221 Bye")
                return
            else:
                self.say("250 OK")

    def data(self) -> bytes:
        lines = []
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            lines.append(line.removeprefix(b".") if line.startswith(b"..") else line)
        return b"".join(lines)

    def say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())

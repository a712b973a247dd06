"""The client's end of a WebSocket, without I/O, by the library `websockets`."""

from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.frames import Frame, Opcode
from websockets.headers import parse_extension
from websockets.protocol import Protocol, Side

OFFER = b"permessage-deflate; client_max_window_bits"


class Client(Protocol):
    """A WebSocket client: `fed` parses bytes of the server, `output` returns bytes to send."""

    def __init__(self, extension: bytes | None = None) -> None:
        super().__init__(Side.CLIENT)
        if extension is not None:
            ((_, parameters),) = parse_extension(extension.decode())
            factory = ClientPerMessageDeflateFactory(client_max_window_bits=True)
            self.extensions = [factory.process_response_params(parameters, [])]

    def fed(self, data: bytes) -> list[Frame]:
        self.receive_data(data)
        return [event for event in self.events_received() if isinstance(event, Frame)]

    def output(self) -> bytes:
        return b"".join(self.data_to_send())

    def text(self, text: str) -> bytes:
        self.send_text(text.encode())
        return self.output()

    def closing(self, code: int = 1000, reason: str = "") -> bytes:
        self.send_close(code, reason)
        return self.output()


def texts(frames: list[Frame]) -> list[str]:
    return [bytes(frame.data).decode() for frame in frames if frame.opcode is Opcode.TEXT]

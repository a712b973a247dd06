"""The server's HTTP/2 settings, and its limits that SETTINGS cannot express."""

from typing import Final, cast

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.settings import SettingCodes, Settings

from httpprocessproxy.core.http.http1 import MAX_HEAD_BYTES
from httpprocessproxy.frontends.http2.decoder import FieldDecoder

# RFC 9113 section 6.5.2 recommends at least 100.
MAX_STREAMS: Final = 128

# A window of 256 KiB exceeds the bandwidth-delay product of loopback or a LAN (1 Gbit/s times
# 2 ms). The connection's window is the sum of its streams': stalled uploads never block another.
STREAM_WINDOW_BYTES: Final = 256 * 1024
CONNECTION_WINDOW_BYTES: Final = MAX_STREAMS * STREAM_WINDOW_BYTES
_FIRST_WINDOW_BYTES: Final = 65_535  # of every connection (RFC 9113 section 6.9.2)

# The usual idle timeout of servers: a browser opens a new connection afterwards.
IDLE_S: Final = 60.0

# nghttp2's limit against rapid resets (CVE-2023-44487), as burst and rate per second: leaving a
# page cancels hundreds of requests at once, and then none for a while.
RESETS: Final = 1000, 33

# PING, SETTINGS, PRIORITY, WINDOW_UPDATE, empty DATA and unknown frames, as burst and rate per
# second (CVE-2019-9511, 9512, 9513, 9515, 9518). A client that does not read makes their responses
# of 17 bytes each accumulate in the send buffer.
EMPTY_FRAMES: Final = 10_000, 100

# A client also opens its windows and changes priorities as responses arrive: this many frames for
# each request and for each turn of a response. Envoy allows 10 WINDOW_UPDATE for each DATA frame.
FRAMES_PER_TURN: Final = 20
MAX_EARNED_FRAMES: Final = 10_000

# A connection is read until it has processed this many frames or this many seconds; then other
# connections are served. 256 WINDOW_UPDATE take 2 ms, 256 HEADERS of 60 fields take 140 ms. The
# clock is checked after every FRAMES_A_READ frames: the number in 256 KiB of DATA.
FRAMES_AT_ONCE: Final = 256
FRAMES_A_READ: Final = 16
TURN_S: Final = 0.005

# A client may continue its upload for this time after a complete response, as in
# proxy/client_connection.py. After an immediate reset curl loses the response.
LINGER_S: Final = 2.0

# Searching a larger table costs more than it saves.
MAX_ENCODER_TABLE_BYTES: Final = 4096

_NO_RFC7540_PRIORITIES: Final = 9

_SETTINGS: Final = {
    SettingCodes.MAX_CONCURRENT_STREAMS: MAX_STREAMS,
    SettingCodes.INITIAL_WINDOW_SIZE: STREAM_WINDOW_BYTES,
    SettingCodes.MAX_HEADER_LIST_SIZE: MAX_HEAD_BYTES,
    SettingCodes.ENABLE_CONNECT_PROTOCOL: 1,  # RFC 8441 section 3
    cast(SettingCodes, _NO_RFC7540_PRIORITIES): 1,  # RFC 9218 section 2.1: ignored
}


def new_state() -> H2Connection:
    """Make the state of a new connection, with SETTINGS as its first frames.

    h2 would close the connection for a request that is malformed or slightly too large, and for
    streams above MAX_CONCURRENT_STREAMS, which the client may not have read yet. The limits set
    here are more lenient than the announced ones: such requests are answered on their stream.
    """
    state = H2Connection(
        H2Configuration(
            client_side=False,
            validate_inbound_headers=False,
            normalize_inbound_headers=False,
            validate_outbound_headers=False,
            normalize_outbound_headers=False,
        )
    )
    state.decoder = FieldDecoder()
    state.local_settings = Settings(client=False, initial_values=dict(_SETTINGS))
    state.initiate_connection()
    state.increment_flow_control_window(CONNECTION_WINDOW_BYTES - _FIRST_WINDOW_BYTES)
    lenient = _SETTINGS | {SettingCodes.MAX_CONCURRENT_STREAMS: 8 * MAX_STREAMS}
    state.local_settings = Settings(client=False, initial_values=lenient)
    state.decoder.max_header_list_size = 4 * MAX_HEAD_BYTES
    return state

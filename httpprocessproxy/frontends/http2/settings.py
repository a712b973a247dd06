"""What an HTTP/2 client may do here: our settings, and the limits that no setting tells."""

from typing import Final, cast

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.settings import SettingCodes, Settings

from httpprocessproxy.core.http.http1 import MAX_HEAD_BYTES

# RFC 9113 section 6.5.2 recommends at least 100.
MAX_STREAMS: Final = 128

# A window of 256 KiB is above what loopback or a LAN holds in flight (1 Gbit/s times 2 ms). All of
# the streams' windows fit into the connection's: uploads that stall never stop another.
STREAM_WINDOW_BYTES: Final = 256 * 1024
CONNECTION_WINDOW_BYTES: Final = MAX_STREAMS * STREAM_WINDOW_BYTES
_FIRST_WINDOW_BYTES: Final = 65_535  # of any connection (section 6.9.2)

# As in front of most servers: a browser comes back with a new connection.
IDLE_S: Final = 60.0

# nghttp2's own limit against rapid resets (CVE-2023-44487), at once and per second: a page that is
# left cancels hundreds of requests, and then no more for a while.
RESETS: Final = 1000, 33

# PING, SETTINGS, PRIORITY, WINDOW_UPDATE, DATA without any, and what we do not know (CVE-2019-9511,
# 9512, 9513, 9515, 9518). Answers of 17 bytes each wait for a client that does not read.
EMPTY_FRAMES: Final = 10_000, 100

# Besides, a client may open its windows and change its mind as responses come: so often for each
# request, and for each turn of a response. Envoy allows 10 WINDOW_UPDATE for each DATA frame.
FRAMES_PER_TURN: Final = 20
MAX_EARNED_FRAMES: Final = 10_000

# How much of one connection is read before others have their turn: so many frames, or what takes
# so long. 256 WINDOW_UPDATE take 2 ms, 256 HEADERS of 60 fields take 140 ms. The clock is looked at
# after each read of a few frames: as many as 256 KiB of DATA have.
FRAMES_AT_ONCE: Final = 256
FRAMES_A_READ: Final = 16
TURN_S: Final = 0.005

# Time for a client to go on with its upload after a complete response, as in
# proxy/client_connection.py. Reset at once, curl loses the response.
LINGER_S: Final = 2.0

# To search a larger table costs more than it saves.
MAX_ENCODER_TABLE_BYTES: Final = 4096

_NO_RFC7540_PRIORITIES: Final = 9

_SETTINGS: Final = {
    SettingCodes.MAX_CONCURRENT_STREAMS: MAX_STREAMS,
    SettingCodes.INITIAL_WINDOW_SIZE: STREAM_WINDOW_BYTES,
    SettingCodes.MAX_HEADER_LIST_SIZE: MAX_HEAD_BYTES,
    SettingCodes.ENABLE_CONNECT_PROTOCOL: 1,  # RFC 8441 section 3
    cast(SettingCodes, _NO_RFC7540_PRIORITIES): 1,  # RFC 9218 section 2.1: we ignore them
}


def new_state() -> H2Connection:
    """A connection's beginning, with our settings made into its first frames.

    What h2 would end the connection for, we answer on the stream: requests that are malformed, or
    a little too large, or more at a time than we said, perhaps before that could be read.
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
    state.local_settings = Settings(client=False, initial_values=dict(_SETTINGS))
    state.initiate_connection()
    state.increment_flow_control_window(CONNECTION_WINDOW_BYTES - _FIRST_WINDOW_BYTES)
    lenient = _SETTINGS | {SettingCodes.MAX_CONCURRENT_STREAMS: 8 * MAX_STREAMS}
    state.local_settings = Settings(client=False, initial_values=lenient)
    state.decoder.max_header_list_size = 4 * MAX_HEAD_BYTES
    return state

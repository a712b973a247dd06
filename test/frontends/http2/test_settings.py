"""The settings in the first frames of the server."""

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import RemoteSettingsChanged, WindowUpdated
from h2.settings import SettingCodes

from httpprocessproxy.frontends.http2.settings import (
    CONNECTION_WINDOW_BYTES,
    MAX_STREAMS,
    STREAM_WINDOW_BYTES,
    new_state,
)


def test_first_frames_announce_settings_and_window() -> None:
    client = H2Connection(H2Configuration())
    client.initiate_connection()
    settings, window = client.receive_data(new_state().data_to_send())
    assert isinstance(settings, RemoteSettingsChanged)
    values = {int(code): changed.new_value for code, changed in settings.changed_settings.items()}
    assert values[SettingCodes.MAX_CONCURRENT_STREAMS] == MAX_STREAMS >= 100
    assert values[SettingCodes.INITIAL_WINDOW_SIZE] == STREAM_WINDOW_BYTES
    assert values[SettingCodes.MAX_HEADER_LIST_SIZE] == 64 * 1024
    assert values[SettingCodes.ENABLE_CONNECT_PROTOCOL] == 1
    assert values[SettingCodes.ENABLE_PUSH] == 0
    assert values[9] == 1  # RFC 9218 section 2.1
    assert isinstance(window, WindowUpdated)
    assert client.outbound_flow_control_window == CONNECTION_WINDOW_BYTES


def test_settings_and_lenient_limits_remain_after_acknowledgement() -> None:
    state = new_state()
    client = H2Connection(H2Configuration())
    client.initiate_connection()
    client.receive_data(state.data_to_send())
    state.receive_data(client.data_to_send())
    assert state.local_settings.initial_window_size == STREAM_WINDOW_BYTES
    assert state.decoder.max_header_list_size > 64 * 1024


def test_windows_of_all_streams_fit_into_the_window_of_the_connection() -> None:
    assert MAX_STREAMS * STREAM_WINDOW_BYTES <= CONNECTION_WINDOW_BYTES

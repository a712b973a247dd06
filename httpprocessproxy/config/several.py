"""The configuration of several services, from the tables of a file."""

from collections.abc import Sequence
from dataclasses import replace

from httpprocessproxy.config.building import below, build
from httpprocessproxy.config.config_file import ConfigFile, Values
from httpprocessproxy.config.model import Config
from httpprocessproxy.config.service_checks import check_names, check_services
from httpprocessproxy.config.service_tables import chosen, read_services
from httpprocessproxy.core.http.hosts import HostRule


def configure_several(file: ConfigFile, values: Values, names: Sequence[str]) -> Config:
    """The configuration of the named services and all that they need; of all without names.

    `values` are those of the proxy and the defaults of all services, by their fields in `Config`.
    Raises UserError.
    """
    check_names(file)
    services = read_services(file, below("service", values))
    others = {path: value for path, value in values.items() if not path.startswith("service.")}
    config = build(Config, {**others, "services": services})
    listen = config.listen
    check_services(file, services, listen.bind, HostRule(listen.allowed_hosts, listen.bind.host))
    return replace(config, services=chosen(services, names)) if names else config

"""Routes, by tables."""

import pytest

from httpprocessproxy.core.errors import UserError
from httpprocessproxy.core.routes import (
    MAX_HOSTS,
    Route,
    RouteTable,
    normal_path,
    with_own_hosts,
    without_prefix,
)

SHOP = {
    "web": [Route.parse("/**")],
    "api": [Route.parse("/api/**"), Route.parse("/admin"), Route.parse("api.localhost")],
    "v2": [Route.parse("/api/v2/**"), Route.parse("api.localhost/v2/**")],
    "tenants": [Route.parse("*.shop.localhost")],
    "one": [Route.parse("one.shop.localhost/**")],
    "far": [Route.parse("*.far.shop.localhost/deep/**")],
    "worker": [],
}


@pytest.mark.parametrize(
    ("host", "target", "service"),
    [
        ("localhost:8000", "/", "web"),
        ("localhost:8000", "/api", "api"),
        ("localhost:8000", "/api/", "api"),
        ("localhost:8000", "/api?page=2", "api"),
        ("localhost:8000", "/api/v2", "v2"),
        ("localhost:8000", "/api/v20", "api"),
        ("localhost:8000", "/apis", "web"),
        ("localhost:8000", "/API/", "web"),
        ("localhost:8000", "/admin/login/?next=/", "api"),
        ("localhost:8000", "/x?to=/api/", "web"),
        ("localhost:8000", "*", "web"),
        ("localhost:8000", "/%61pi/users", "api"),
        ("localhost:8000", "/api%2Fusers", "web"),
        ("localhost:8000", "/static/../api/users", "api"),
        ("localhost:8000", "/api/../..", "web"),
        ("localhost:8000", "/./api", "api"),
        ("localhost:8000", "/%2e%2e/api/x", "api"),
        ("localhost:8000", "//api/x", "web"),
        ("", "/api/", "api"),
        ("[::1]:8000", "/api/", "api"),
        ("127.0.0.1", "/", "web"),
        ("api.localhost:8000", "/", "api"),
        ("API.localhost", "/", "api"),
        ("api.localhost.:8000", "/anything", "api"),
        ("api.localhost", "/v2/x", "v2"),
        ("xapi.localhost", "/", "web"),
        ("red.shop.localhost", "/", "tenants"),
        ("red.shop.localhost", "/api/", "tenants"),
        ("a.b.shop.localhost", "/", "tenants"),
        ("shop.localhost", "/", "web"),
        ("one.shop.localhost", "/", "one"),
        ("a.far.shop.localhost", "/deep/x", "far"),
        ("a.far.shop.localhost", "/x", "tenants"),
    ],
)
def test_most_specific_host_wins_and_then_the_longest_path(
    host: str, target: str, service: str
) -> None:
    found = RouteTable(SHOP).find(host.encode(), target.encode())
    assert found is not None
    assert found[0] == service


def test_request_outside_all_routes_has_no_service() -> None:
    routes = RouteTable({"api": [Route.parse("/api/**")], "shop": [Route.parse("shop.localhost")]})
    assert routes.find(b"localhost", b"/") is None
    assert routes.find(b"shop.localhost:1", b"/") == ("shop", Route("shop.localhost"))


def test_single_service_gets_all_requests() -> None:
    routes = RouteTable({"web": [Route()], "worker": []})
    assert routes.find(b"any.example", b"/x/../y") == ("web", Route())
    assert routes.only == "web"
    assert RouteTable({"worker": []}).find(b"", b"/") is None


def test_service_of_all_requests_is_the_only_one_with_a_route() -> None:
    assert RouteTable({"worker": []}).only is None
    assert RouteTable({"api": [Route.parse("/api/**")]}).only is None
    assert RouteTable({"web": [Route()], "api": [Route.parse("/api/**")]}).only is None


def test_routes_of_many_hosts_take_bounded_memory() -> None:
    routes = RouteTable(SHOP)
    hosts = [b"%d.shop.localhost" % number for number in range(1000)]
    found = {routes.find(host, b"/") for host in [*hosts, *hosts]}
    assert found == {("tenants", Route("*.shop.localhost"))}
    assert len(routes._of_hosts) <= MAX_HOSTS


@pytest.mark.parametrize(
    ("target", "stripped"),
    [
        ("/api", "/"),
        ("/api/", "/"),
        ("/api/x", "/x"),
        ("/api/x/?y=/api/", "/x/?y=/api/"),
        ("/api?y", "/?y"),
        ("/api/api/x", "/api/x"),
        ("/api//x", "//x"),
        ("/%61pi/x%2F%7e?%61", "/x%2F~?%61"),
        ("/y/../api/x/../z/.", "/z/"),
    ],
)
def test_target_without_the_path_of_its_route(target: str, stripped: str) -> None:
    assert without_prefix(target.encode(), b"/api") == stripped.encode()


@pytest.mark.parametrize(
    ("text", "route"),
    [
        ("/**", Route()),
        ("/", Route()),
        ("/api", Route("", "/api")),
        ("/api/", Route("", "/api")),
        ("/api/**", Route("", "/api")),
        ("/a/b-c_d.e~f/**", Route("", "/a/b-c_d.e~f")),
        ("API.localhost", Route("api.localhost")),
        ("api.localhost/", Route("api.localhost")),
        ("*.shop.localhost/v1/**", Route("*.shop.localhost", "/v1")),
    ],
)
def test_route_is_parsed(text: str, route: Route) -> None:
    assert Route.parse(text) == route
    assert Route.parse(str(route)) == route


@pytest.mark.parametrize(
    "text",
    [
        "",
        "**",
        "*",
        "api*.localhost",
        "/api*",
        "/api/*/x",
        "/a b",
        "/ä",
        "api.localhost:8000",
        "http://api",
        "*.*.x",
        "a..b",
    ],
)
def test_invalid_route_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="not a route"):
        Route.parse(text)


@pytest.mark.parametrize("text", ["/_hpp", "/_hpp/**", "api.localhost/_hpp/x/**"])
def test_route_of_the_proxy_itself_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="belongs to the proxy"):
        Route.parse(text)


def test_routes_are_listed_by_rank() -> None:
    ranked = [str(route) for route, _ in RouteTable(SHOP).ranked]
    assert ranked == [
        *("one.shop.localhost/**", "api.localhost/v2/**", "api.localhost/**"),
        *("*.far.shop.localhost/deep/**", "*.shop.localhost/**"),
        *("/api/v2/**", "/admin/**", "/api/**", "/**"),
    ]


@pytest.mark.parametrize(
    ("host", "services"),
    [
        ("localhost:8000", {"web", "api", "v2"}),
        ("api.localhost:8000", {"api", "v2"}),
        ("red.shop.localhost", {"tenants"}),
        ("one.shop.localhost", {"one"}),
        ("a.far.shop.localhost", {"far", "tenants"}),
    ],
)
def test_services_at_a_host_are_those_that_its_requests_may_reach(
    host: str, services: set[str]
) -> None:
    assert RouteTable(SHOP).services_at(host.encode()) == services


def test_host_without_a_route_has_no_service() -> None:
    table = RouteTable({"api": [Route.parse("api.localhost")], "worker": []})
    assert table.services_at(b"localhost") == frozenset()


def test_normal_path_keeps_reserved_characters() -> None:
    assert normal_path(b"/a%2Fb%7Ec?d=/../e") == "/a%2Fb~c"
    assert normal_path(b"/a/./b/../../../c/.") == "/c/"
    assert normal_path(b"/a/b/..") == "/a/"
    assert normal_path("/ä".encode()) == "/Ã¤"


def own_hosts(routes: dict[str, str], branch: str = "") -> dict[str, str]:
    given = {name: [Route.parse(text) for text in each.split()] for name, each in routes.items()}
    found = with_own_hosts(given, branch)
    return {name: " ".join(map(str, each)) for name, each in found.items()}


@pytest.mark.parametrize(
    ("routes", "branch", "found"),
    [
        ({"web": "/**"}, "", {"web": "/**"}),
        ({"web": "/**", "worker": ""}, "fix", {"web": "/**"}),
        ({"worker": ""}, "fix", {}),
        ({"api": "/api"}, "", {"api": "/api/** api.localhost/**"}),
        (
            {"api": "/api", "web": "/**"},
            "",
            {"api": "/api/** api.localhost/**", "web": "/** web.localhost/**"},
        ),
        (
            {"api": "/api"},
            "fix",
            {"api": "/api/** api.localhost/** fix.api.localhost/**"},
        ),
        (
            {"api": "web.localhost", "web": "/**"},
            "",
            {"api": "web.localhost/** api.localhost/**", "web": "/**"},
        ),
        ({"api": "api.localhost"}, "", {"api": "api.localhost/**"}),
    ],
)
def test_service_has_hosts_of_its_own_unless_a_route_has_them(
    routes: dict[str, str], branch: str, found: dict[str, str]
) -> None:
    assert own_hosts(routes, branch) == found

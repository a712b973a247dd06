"""Identity of a generation: a service and a number."""

from httpprocessproxy.core.identity import GenerationId


def test_generations_of_two_services_with_one_number_differ() -> None:
    assert GenerationId("web", 1) == GenerationId("web", 1)
    assert len({GenerationId("web", 1), GenerationId("api", 1), GenerationId("web", 2)}) == 3


def test_generation_is_shown_as_service_and_number() -> None:
    assert f"{GenerationId('web', 12)}" == "web 12"

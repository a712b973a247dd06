"""Identity of a generation: a service and a number."""

import pytest

from httpprocessproxy.core.identity import GenerationId, is_service_name


def test_generations_of_two_services_with_one_number_differ() -> None:
    assert GenerationId("web", 1) == GenerationId("web", 1)
    assert len({GenerationId("web", 1), GenerationId("api", 1), GenerationId("web", 2)}) == 3


def test_generation_is_shown_as_service_and_number() -> None:
    assert f"{GenerationId('web', 12)}" == "web 12"


@pytest.mark.parametrize("text", ["a", "my-api_2", "0"])
def test_name_of_a_service(text: str) -> None:
    assert is_service_name(text)


@pytest.mark.parametrize("text", ["", "A", "a.b", "a b", "Procfile", "./web", "é"])
def test_text_that_is_not_a_name(text: str) -> None:
    assert not is_service_name(text)

"""What an instance answers, without gunicorn in front."""

from __future__ import annotations

import re

import pytest
from flask.testing import FlaskClient
from uuid_server.app import MAX_BODY_BYTES, create_app

INSTANCE_ID = "6c2a3f0e-53d5-4a3c-9f0c-1f8ad7a8c001"


@pytest.fixture
def browser() -> FlaskClient:
    """A client of one instance."""
    return create_app(INSTANCE_ID).test_client()


@pytest.mark.parametrize(
    ("path", "answer"),
    [("/", f"My id is {INSTANCE_ID}"), ("/users", "You're my first user"), ("/healthz", "ok")],
)
def test_a_page_answers_one_line_of_plain_text(browser: FlaskClient, path: str, answer: str) -> None:
    """No markup and no newline, so that a program can compare it as it comes."""
    response = browser.get(path)
    assert (response.status_code, response.mimetype, response.text) == (200, "text/plain", answer)


def test_the_app_answers_with_the_id_it_was_given_and_makes_none_of_its_own() -> None:
    """Two apps of one instance, as two workers have them, say the same."""
    assert {create_app(INSTANCE_ID).test_client().get("/").text for _ in range(2)} == {f"My id is {INSTANCE_ID}"}


@pytest.mark.parametrize(("size", "status"), [(MAX_BODY_BYTES, 200), (MAX_BODY_BYTES + 1, 413)])
def test_a_body_above_the_limit_is_refused_although_no_page_reads_it(
    browser: FlaskClient, size: int, status: int
) -> None:
    """The declared length alone decides."""
    assert browser.get("/", data=b"x" * size).status_code == status


@pytest.mark.parametrize(("method", "path", "status"), [("POST", "/", 405), ("GET", "/nothing", 404)])
def test_what_is_not_there_is_refused_without_naming_the_instance(
    browser: FlaskClient, method: str, path: str, status: int
) -> None:
    """So that a program that looks for the UUID does not take an error for an answer."""
    response = browser.open(path, method=method)
    assert response.status_code == status
    assert not re.search(INSTANCE_ID, response.text)

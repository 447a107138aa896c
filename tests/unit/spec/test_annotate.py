"""Comments that say where values come from."""

from __future__ import annotations

import yaml

from fleetctl.spec.annotate import annotate

TEXT = """services:
  web:
    read_only: true
    cap_drop:
    - ALL
    - "# no comment"
    environment: {}
networks:
  lan: {}
"""
ORIGINS = {
    "services.web.read_only": "baseline restricted",
    "services.web.cap_drop[1]": "fleet.yaml:3:4",
    "services.web.environment": "default",
}


def test_each_value_with_an_origin_gets_a_comment_and_the_yaml_stays_the_same() -> None:
    """Scalars, items of lists, and empty collections."""
    annotated = annotate(TEXT, ORIGINS)
    assert yaml.safe_load(annotated) == yaml.safe_load(TEXT)
    assert annotated.splitlines()[2:7] == [
        "    read_only: true  # baseline restricted",
        "    cap_drop:",
        "    - ALL",
        '    - "# no comment"  # fleet.yaml:3:4',
        "    environment: {}  # default",
    ]


def test_what_depends_on_a_value_is_told_below_it_and_the_yaml_stays_the_same() -> None:
    annotated = annotate(TEXT, ORIGINS, {"services.web.cap_drop[1]": "and more", "services.web.read_only": "but /tmp"})
    assert yaml.safe_load(annotated) == yaml.safe_load(TEXT)
    assert annotated.splitlines()[2:8] == [
        "    read_only: true  # baseline restricted",
        "    # but /tmp",
        "    cap_drop:",
        "    - ALL",
        '    - "# no comment"  # fleet.yaml:3:4',
        "    # and more",
    ]

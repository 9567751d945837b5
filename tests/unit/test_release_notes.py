"""A release's notes are the changelog's section of its version, or there is no release."""

import pytest

from dev.release_notes import ReleaseError, release_notes

CHANGELOG = """\
# Changelog

## [Unreleased]

- Not yet.

## [1.10.0] - 2026-12-01

### Added

- Ten.

## [1.1.0] - 2026-11-23

- One.

## [1.0.0] - 2026-11-01
"""


@pytest.mark.parametrize(
    ("version", "notes"), [("1.10.0", "### Added\n\n- Ten."), ("1.1.0", "- One.")]
)
def test_the_notes_are_the_versions_section(version: str, notes: str) -> None:
    assert release_notes(f"v{version}", version, CHANGELOG) == notes


@pytest.mark.parametrize(
    ("tag", "version", "why"),
    [
        ("v1.1.0", "1.10.0", "the tag is v1.1.0, and pyproject.toml has the version 1.10.0"),
        ("1.1.0", "1.1.0", "the tag is 1.1.0, and pyproject.toml has the version 1.1.0"),
        ("v1.0.0", "1.0.0", "says nothing below"),
        ("v1.2.0", "1.2.0", "says nothing below"),
        ("v1.1", "1.1", "says nothing below"),
        ("vUnreleased", "Unreleased", "says nothing below"),
    ],
)
def test_without_a_section_of_the_tags_version_there_is_no_release(
    tag: str, version: str, why: str
) -> None:
    with pytest.raises(ReleaseError, match=why):
        release_notes(tag, version, CHANGELOG)

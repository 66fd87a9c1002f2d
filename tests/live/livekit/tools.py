"""Programs that live tests need. A missing one fails the test: a skip would hide the feature."""

import os
import shutil

import pytest

TIME_LIMIT = 20.0
"""Seconds after which any wait in a live test gives up; no test measures time with it."""


def need(program: str, package: str) -> str:
    path = shutil.which(program)
    if path is None:
        pytest.fail(f"live tests need {program!r}: apt-get install {package}")
    return path


def clean_environment(**additions: str) -> dict[str, str]:
    """Our environment without proxy and CA settings that would lead a client elsewhere."""
    kept = {name: value for name, value in os.environ.items() if not _misleads(name.lower())}
    return kept | additions


def _misleads(name: str) -> bool:
    return name.endswith("_proxy") or name in {"ssl_cert_file", "ssl_cert_dir", "curl_ca_bundle", "requests_ca_bundle"}

import ctypes
import sys
from types import SimpleNamespace

import pytest

from midstream.cli.allocator import KEPT_BYTES, keep_freed_memory


@pytest.fixture
def asked(monkeypatch):
    """Record what a C library is asked for that is said to be glibc, on Linux."""
    asked = []
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(ctypes, "CDLL", lambda _: SimpleNamespace(mallopt=lambda *pair: asked.append(pair)))
    return asked


def test_glibc_is_asked_to_keep_what_is_freed(asked):
    keep_freed_memory()
    assert asked == [(-3, KEPT_BYTES), (-1, KEPT_BYTES)]


def test_other_c_libraries_are_left_alone(asked, monkeypatch):
    monkeypatch.setattr(ctypes, "CDLL", lambda _: SimpleNamespace())
    keep_freed_memory()
    assert asked == []


def test_other_systems_are_left_alone(asked, monkeypatch):
    monkeypatch.setattr(sys, "platform", "win32")
    keep_freed_memory()
    assert asked == []

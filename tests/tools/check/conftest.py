from __future__ import annotations

import pytest

from exzarr.tools.check import again


@pytest.fixture
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody writes to these stores: there is nothing to wait for."""
    monkeypatch.setattr(again, "PAUSE", 0.001)

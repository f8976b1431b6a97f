from __future__ import annotations

import pytest

from exzarr._tools.check import confirm


@pytest.fixture
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody writes to these stores: there is nothing to wait for."""
    monkeypatch.setattr(confirm, "PAUSE", 0.001)

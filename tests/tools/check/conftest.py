from __future__ import annotations

import pytest

from exzarr._tools.check import confirm


@pytest.fixture
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    """No process writes to these stores, so use short pauses."""
    monkeypatch.setattr(confirm, "PAUSE", 0.001)

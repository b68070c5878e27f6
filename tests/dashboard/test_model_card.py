"""The accuracy report and the cards, as the Model page shows them."""

from __future__ import annotations

import pytest

from dashboard import model_card


def test_the_shipped_weights_have_a_report_and_a_card() -> None:
    report, card = model_card.accuracy("tiny"), model_card.card("tiny")

    assert report is not None
    assert "ShanghaiTech A" in report
    assert "<table>" in report
    assert card is not None
    assert "research only" in card
    assert "](" not in card  # links into the clone are text


@pytest.mark.parametrize("name", ["nobody", "../README", "", "/etc/passwd", "tiny.md"])
def test_other_weights_have_none(name: str) -> None:
    assert model_card.card(name) is None
    assert model_card.accuracy(name) is None

from __future__ import annotations

from pathlib import Path

import pytest

from core.config_versions import latest, record, versions
from core.history import History
from core.site_file import LoadedSite, site_of_text

SITE = "cameras:\n  - {id: gate, source: rtsp://viewer:hunter2@192.0.2.1/live}   # ours\n"


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History.open(f"sqlite:///{tmp_path / 'history.db'}")


def loaded(text: str) -> LoadedSite:
    return site_of_text(text, Path("site.yaml"))


def test_applied_configurations_are_listed_newest_first_without_secrets(history: History) -> None:
    other = SITE.replace("# ours", "# theirs")
    with history.transaction() as connection:
        assert latest(connection) is None
        record(connection, loaded(SITE), "anna", 1000)
        record(connection, loaded(other), "ben", 2000)
        found = versions(connection)

    assert [(each.by, each.at) for each in found] == [("ben", 2000), ("anna", 1000)]
    assert found[1].text == SITE.replace("viewer:hunter2", "***").replace(
        "rtsp://***@192.0.2.1/live", '"rtsp://***@192.0.2.1/live"'
    )
    assert found[1].version == loaded(SITE).version


def test_a_configuration_that_is_applied_already_is_not_noted_again(history: History) -> None:
    other = loaded(SITE + "# more\n")
    with history.transaction() as connection:
        for at, site in enumerate([loaded(SITE), loaded(SITE), other, loaded(SITE)]):
            record(connection, site, "anna", at)

        assert [each.at for each in versions(connection)] == [3, 2, 0]
        assert [each.at for each in versions(connection, at_most=1)] == [3]

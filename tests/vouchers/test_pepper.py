"""The pepper: made once, kept from others, and never told."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import Engine

from server.keys.service import Pepper
from server.runtime.errors import Refusal
from server.runtime.settings import Settings, SettingsError


def test_the_first_use_makes_a_file_for_its_owner_alone(database: Engine, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data")
    made = Pepper(settings, database).key("a")
    file = tmp_path / "data" / "pepper"

    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(file.parent.iterdir()) == [file]
    assert Pepper(settings, database).key("a") == made
    assert Pepper(settings, database).key("b") != made
    assert Pepper(Settings(pepper=file.read_text().strip()), database).key("a") == made


def test_many_that_start_at_once_agree(database: Engine, tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(lambda _: Pepper(Settings(data_dir=tmp_path), database).key("a"), range(8)))

    assert len(keys) == 1


def test_none_is_made_for_a_database_that_has_another(database: Engine, tmp_path: Path) -> None:
    Pepper(Settings(data_dir=tmp_path / "one"), database).key("a")

    with pytest.raises(Refusal) as refused:
        Pepper(Settings(data_dir=tmp_path / "other"), database).key("a")
    assert refused.value.reason == "PEPPER_MISSING"
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("content", ["", "zz" * 32, "ab" * 31])
def test_a_file_that_is_no_pepper_is_named(database: Engine, tmp_path: Path, content: str) -> None:
    file = tmp_path / "pepper"
    file.write_text(content)

    with pytest.raises(Refusal) as refused:
        Pepper(Settings(pepper_file=file), database).key("a")
    assert refused.value.reason == "PEPPER_UNREADABLE"
    assert str(file) in str(refused.value)


@pytest.mark.parametrize("value", ["ab" * 31, "ab" * 32 + "a", "secret" * 12])
def test_what_is_no_pepper_is_refused_without_telling_it(value: str) -> None:
    with pytest.raises(SettingsError) as refused:
        Settings.from_environment({"DEALWRIGHT_PEPPER": value})

    assert value not in str(refused.value)
    assert "DEALWRIGHT_PEPPER" in str(refused.value)


def test_settings_never_show_it() -> None:
    assert "ab" * 32 not in repr(Settings(pepper="ab" * 32))

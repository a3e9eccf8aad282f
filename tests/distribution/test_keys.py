"""Signing keys as files: made, rotated, and refused where something is wrong with them."""

from datetime import UTC, datetime
from pathlib import Path

import dealwright_engine
import pytest
from dealwright.v1.bundle_pb2 import Manifest

from server.distribution import keys
from server.distribution.keys import KeysUnusable, create, load, parse_key, rotate

NOW = datetime(2026, 11, 21, tzinfo=UTC)


def test_a_rotation_keeps_what_the_last_key_signed_unless_it_was_stolen(tmp_path: Path) -> None:
    online, root = tmp_path / "online", tmp_path / "root"
    create(online, root, NOW)
    assert not (online / keys.ROOT).exists()
    signed = load(online).sign(Manifest(revision=1))
    rotate(online, root, NOW)
    assert load(online).key_list_version == 2
    assert load(online).signed(signed)
    rotate(online, root, NOW, keep=0)
    assert not load(online).signed(signed)


def test_secrets_are_for_their_owner_alone_and_never_overwritten(tmp_path: Path) -> None:
    create(tmp_path, tmp_path, NOW)
    for name in (keys.ROOT, keys.ONLINE):
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o600
    with pytest.raises(KeysUnusable, match="exists"):
        create(tmp_path, tmp_path, NOW)
    (tmp_path / keys.ONLINE).chmod(0o440)
    load(tmp_path)
    (tmp_path / keys.ONLINE).chmod(0o644)
    with pytest.raises(KeysUnusable, match="chmod 600"):
        load(tmp_path)


def test_a_list_of_another_root_and_a_key_of_no_list_are_refused(tmp_path: Path) -> None:
    mine, other = tmp_path / "mine", tmp_path / "other"
    create(mine, mine, NOW)
    create(other, other, NOW)
    with pytest.raises(KeysUnusable, match=r"isn't the root key"):
        rotate(mine, other, NOW)
    (mine / keys.ONLINE).write_bytes((other / keys.ONLINE).read_bytes())
    with pytest.raises(KeysUnusable, match=r"isn't in keys\.list"):
        load(mine)
    (mine / keys.LIST).write_bytes((other / keys.LIST).read_bytes())
    with pytest.raises(KeysUnusable, match="isn't signed"):
        load(mine)


@pytest.mark.parametrize("text", ["", "zz", "00" * 31, "00" * 33])
def test_what_is_no_key_is_refused_by_its_name(text: str) -> None:
    with pytest.raises(KeysUnusable, match="--root-key is no key"):
        parse_key(text, "--root-key")


def test_a_key_is_what_was_written_down() -> None:
    public = dealwright_engine.public_key(bytes(32))
    assert parse_key(public.hex() + "\n", "a key") == public

"""DBN files through the databento package itself; skipped where the extra is not installed."""

from __future__ import annotations

import pytest
from data_convert.archives.convert import convert_mbo
from data_convert.errors import InputError, SymbolError

dbn = pytest.importorskip("databento_dbn", reason="the extra data-convert[databento] is not installed")
pytest.importorskip("databento", reason="the extra data-convert[databento] is not installed")

T = 1_654_473_600_070_314_217


@pytest.fixture
def path(tmp_path):
    metadata = dbn.Metadata(
        dataset="GLBX.MDP3",
        start=T,
        stype_in=dbn.SType.RAW_SYMBOL,
        stype_out=dbn.SType.INSTRUMENT_ID,
        schema=dbn.Schema.MBO,
        symbols=["ESM2"],
    )
    records = [
        dbn.MBOMsg(1, 3403, T + i, 100 + i, 4_108_500_000_000, 2, action, side, T + 1000 + i)
        for i, (action, side) in enumerate(
            [(dbn.Action.ADD, dbn.Side.BID), (dbn.Action.ADD, dbn.Side.ASK), (dbn.Action.CANCEL, dbn.Side.BID)]
        )
    ]
    target = tmp_path / "es.dbn"
    target.write_bytes(bytes(metadata) + b"".join(map(bytes, records)))
    return target


def test_a_file_converts_with_exact_times(path):
    result = convert_mbo([path])
    assert [hex(int(ev)) for ev in result.events["ev"]] == ["0xe000000a", "0xd000000a", "0xe000000b"]
    assert result.events["exch_ts"].tolist() == [T, T + 1, T + 2]
    assert result.events["local_ts"].tolist() == [T + 1000, T + 1001, T + 1002]
    assert result.events["px"].tolist() == [4108.5] * 3
    with pytest.raises(SymbolError):
        convert_mbo([path], symbol="NQM2")


@pytest.mark.parametrize("content", [b"", b"DBN", b"nothing", b"DBN\x02" + b"\0" * 200])
def test_what_is_no_dbn_file_is_refused(tmp_path, content):
    (tmp_path / "a.dbn").write_bytes(content)
    with pytest.raises(InputError):
        convert_mbo([tmp_path / "a.dbn"])

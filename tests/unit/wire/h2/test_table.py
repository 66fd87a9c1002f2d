from midstream.wire.h2.table import FIRST_DYNAMIC, NAME_INDEX, STATIC, DynamicTable


def test_the_static_table_is_that_of_the_rfc():
    assert FIRST_DYNAMIC == 62
    assert STATIC[0] == (b":authority", b"")
    assert STATIC[15] == (b"accept-encoding", b"gzip, deflate")
    assert STATIC[60] == (b"www-authenticate", b"")
    assert NAME_INDEX[b":status"] == 8


def test_the_oldest_go_first():
    table = DynamicTable(70)
    assert table.add((b"a", b"1")) is None
    assert table.add((b"b", b"2")) is None
    assert table.add((b"c", b"3")) == [(b"a", b"1")]
    assert table.entries == [(b"b", b"2"), (b"c", b"3")]
    assert table.size == 68


def test_a_field_larger_than_the_table_empties_it():
    table = DynamicTable(70)
    table.add((b"a", b"1"))
    assert table.add((b"b", b"2" * 60)) == [(b"a", b"1"), (b"b", b"2" * 60)]
    assert (table.entries, table.size) == ([], 0)


def test_a_smaller_table_loses_fields():
    table = DynamicTable(70)
    table.add((b"a", b"1"))
    table.add((b"b", b"2"))
    assert table.resize(80) is None
    assert table.resize(40) == [(b"a", b"1")]
    assert table.resize(0) == [(b"b", b"2")]

import dns.opcode
import dns.rcode
import dns.rdatatype
import pytest

from midstream.flow import dnsnumbers as numbers


def test_types_are_those_of_the_registry():
    known = {int(kind): name.replace("_", "-") for name, kind in dns.rdatatype.RdataType.__members__.items()}
    for number, name in numbers.TYPES.items():
        if number in known and name not in {"SINK", "NXT", "SIG", "KEY"}:
            assert known[number] == name
        assert numbers.type_number(name.lower()) == number
        assert numbers.type_name(number) == name


def test_codes_are_those_of_the_registry():
    for number, name in numbers.OP_CODES.items():
        assert name in {dns.opcode.to_text(number), "DSO"}
    for number, name in numbers.RESPONSE_CODES.items():
        assert name in {dns.rcode.to_text(number), "DSOTYPENI"}


def test_what_has_no_name_is_written_by_number():
    assert numbers.type_name(12345) == "TYPE12345"
    assert numbers.type_number("type12345") == 12345
    assert numbers.class_name(7) == "CLASS7"
    assert numbers.class_number("CLASS7") == 7
    assert numbers.class_number("in") == 1
    assert (numbers.op_code_name(9), numbers.response_code_name(15)) == ("OPCODE9", "RCODE15")


@pytest.mark.parametrize("name", ["", "NOSUCH", "TYPE", "TYPE70000", "TYPE-1", "CLASS1"])
def test_what_is_no_type(name):
    with pytest.raises(ValueError, match="such as A"):
        numbers.type_number(name)

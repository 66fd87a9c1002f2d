from midstream.wire.h2.errors import CANCEL, PROTOCOL_ERROR, FatalError, StreamError, code_name


def test_codes_have_names():
    assert code_name(CANCEL) == "CANCEL"
    assert code_name(0xFACE) == "0xface"


def test_faults_carry_what_the_peer_is_told():
    assert StreamError("x", "RFC 1").code == PROTOCOL_ERROR
    fault = FatalError("x", "RFC 1", CANCEL, status=431)
    assert (fault.code, fault.status, str(fault)) == (CANCEL, 431, "x (RFC 1)")

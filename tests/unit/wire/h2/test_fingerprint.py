from midstream.wire.h2.events import Priority
from midstream.wire.h2.fingerprint import Fingerprint


def test_the_form_of_akamai():
    found = Fingerprint([(1, 65_536), (4, 131_072), (5, 16_384)], 12_517_377, [], b"m,p,a,s")
    assert str(found) == "1:65536;4:131072;5:16384|12517377|0|m,p,a,s"


def test_nothing_but_settings():
    assert str(Fingerprint([(3, 100)])) == "3:100|00|0|"


def test_priorities():
    tree = [(3, Priority(0, 201, is_exclusive=False)), (5, Priority(3, 1, is_exclusive=True))]
    assert str(Fingerprint(priorities=tree)) == "|00|3:0:0:201,5:1:3:1|"

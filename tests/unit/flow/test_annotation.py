from midstream.flow import Annotation


def test_reference_may_be_missing():
    assert Annotation("odd").reference == ""
    assert Annotation("odd", "RFC 9112 §5") == Annotation("odd", "RFC 9112 §5")

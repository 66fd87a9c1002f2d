from midstream.flow.identified import Identified


def test_an_id_is_made_when_it_is_asked_for_and_stays():
    first, second = Identified(), Identified()
    assert len(first.id) == 36
    assert first.id == first.id != second.id


def test_an_id_can_be_given():
    named = Identified()
    named.id = "a name"
    assert named.id == "a name"

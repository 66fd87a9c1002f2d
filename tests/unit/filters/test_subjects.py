from midstream.filters import subjects
from midstream.flow import Client, Flow, Server, TCPFlow


def test_messages_by_side(flow):
    assert list(subjects.messages(flow, None)) == [flow.request, flow.response]
    assert list(subjects.messages(flow, True)) == [flow.request]
    assert list(subjects.messages(flow, False)) == [flow.response]


def test_other_flows_have_no_messages():
    assert not list(subjects.messages(TCPFlow(Client(), Server()), None))


def test_block_has_a_line_per_field(flow):
    assert subjects.block(flow.response.headers) == b"content-type: text/css\nSet-Cookie: a=b\nX-Res: three"


def test_missing_bodies_are_left_out(flow):
    flow.request.raw_content = None
    assert list(subjects.bodies(flow, None)) == [b"body { color: answer }"]


def test_versions_lose_their_prefix(flow):
    assert list(subjects.versions(flow)) == ["1.1", "2.0"]


def test_flows_of_other_kinds_have_nothing_to_look_at():
    flow = Flow(Client(), Server())
    assert subjects.duration(flow) is None
    assert subjects.size(flow, None) is None
    assert not list(subjects.bodies(flow, None))

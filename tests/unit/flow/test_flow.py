import asyncio

import pytest

from midstream.errors import UsageError
from midstream.flow import Annotation, Client, ControlException, Error, Flow, HTTPFlow, Server, TCPFlow


def test_ids_are_made_when_asked_for(flow):
    assert len(flow.id) == 36
    assert flow.id == flow.id
    flow.id = "mine"
    assert flow.id == "mine"


def test_notes_are_not_shared():
    first, second = TCPFlow(Client(), Server()), TCPFlow(Client(), Server())
    first.metadata["a"] = 1
    first.annotations.append(Annotation("odd"))
    assert second.metadata == {}
    assert second.annotations == []
    assert first.timestamp_start == first.timestamp_created


def test_killing_a_live_flow(flow):
    assert flow.killable
    flow.kill()
    assert flow.error.msg == Error.KILLED_MESSAGE
    assert not flow.live
    assert not flow.killable
    with pytest.raises(ControlException, match="not live"):
        flow.kill()
    assert issubclass(ControlException, UsageError)


def test_a_flow_killed_while_live_stays_killed(flow):
    flow.error = Error(Error.KILLED_MESSAGE)
    assert not flow.killable
    flow.error = Error("other")
    assert flow.killable


@pytest.mark.parametrize("action", ["kill", "resume"])
def test_ad_17_a_held_flow_is_released_once(flow, action):
    released = []
    flow.on_release = lambda: released.append(flow.intercepted)
    flow.intercept()
    getattr(flow, action)()
    assert released == [False]
    assert flow.on_release is None
    flow.resume()
    assert released == [False]


def test_resuming_a_flow_that_is_not_held_does_nothing(flow):
    flow.on_release = lambda: pytest.fail("released")
    flow.resume()


@pytest.mark.parametrize("action", ["kill", "resume"])
def test_addons_can_wait_for_a_held_flow(flow, action):
    async def scenario():
        await flow.wait_for_resume()
        flow.intercept()
        waiting = [asyncio.ensure_future(flow.wait_for_resume()) for _ in range(3)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        await asyncio.sleep(0)
        assert not waiting[1].done()
        getattr(flow, action)()
        await asyncio.gather(*waiting[1:])

    asyncio.run(scenario())


def test_backup_and_revert(flow):
    assert not flow.modified()
    flow.revert()
    flow.backup()
    assert not flow.modified()
    flow.request.path = "/changed"
    flow.marked = "x"
    assert flow.modified()
    flow.backup()
    assert flow.modified()
    flow.revert()
    assert flow.request.path == "/a/b?x=1&y=2"
    assert flow.marked == ""
    assert not flow.modified()


def test_a_forced_backup_replaces_the_first(flow):
    flow.backup()
    flow.marked = "x"
    flow.backup(force=True)
    assert not flow.modified()


def test_backups_do_not_share_metadata(flow):
    flow.metadata["list"] = [1]
    flow.backup()
    flow.metadata["list"].append(2)
    assert flow.modified()
    flow.revert()
    assert flow.metadata == {"list": [1]}


def test_copies_have_their_own_id_and_are_not_live(flow):
    copy = flow.copy()
    assert copy.id != flow.id
    assert not copy.live
    assert copy.client_conn == flow.client_conn
    assert copy.client_conn is not flow.client_conn
    assert copy.request == flow.request
    assert copy.request is not flow.request


def test_state_round_trip(flow):
    flow.error = Error("broken", 5.0)
    flow.marked, flow.comment, flow.is_replay, flow.held_back = ":x:", "note", "request", "a body rule"
    flow.metadata = {"plain": [1, "two"], "odd": object()}
    flow.annotations = [Annotation("odd", "RFC 9112 §5")]
    flow.intercept()
    flow.backup()
    state = flow.get_state()
    again = Flow.from_state(state)
    assert isinstance(again, HTTPFlow)
    assert again.get_state() == state
    assert again.metadata == {"plain": [1, "two"]}
    assert again.annotations == flow.annotations
    assert again.error == flow.error


def test_state_keys(flow):
    assert {
        "version", "type", "id", "error", "client_conn", "server_conn", "intercepted", "is_replay", "marked", "metadata",
        "comment", "timestamp_created", "backup", "request", "response", "websocket",
    } <= set(flow.get_state())  # fmt: skip


def test_states_of_unknown_or_wrong_kinds_are_refused(flow):
    state = flow.get_state()
    with pytest.raises(ValueError, match="type 'smtp'"):
        Flow.from_state({**state, "type": "smtp"})
    with pytest.raises(ValueError, match="cannot make a TCPFlow"):
        TCPFlow.from_state(state)
    with pytest.raises(ValueError, match="not of a 'tcp' flow"):
        TCPFlow(Client(), Server()).set_state(state)


def test_errors():
    error = Error("msg", 1.0)
    assert str(error) == "msg"
    assert repr(error) == "Error('msg')"
    assert error == Error("msg", 1.0)
    assert error != Error("msg", 2.0)
    assert error != "msg"
    assert Error("now").timestamp > 1
    with pytest.raises(TypeError):
        hash(error)


def test_flows_of_no_kind_are_not_registered():
    class Odd(Flow):
        pass

    assert Odd not in Flow._kinds.values()

from midstream.wire.h2 import ClientFacing, Limits, ServerFacing
from midstream.wire.h2.limits import DEFAULT_LIMITS


def test_engines_have_limits_of_their_own_or_the_defaults():
    assert ClientFacing().limits is ServerFacing().limits is DEFAULT_LIMITS
    assert ClientFacing(Limits(concurrent_streams=1)).limits.concurrent_streams == 1

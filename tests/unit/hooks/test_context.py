import contextvars
import logging

import pytest

from midstream.errors import UsageError
from midstream.hooks.context import ALERT, ctx, enter, entered


@pytest.mark.parametrize("attribute", ["master", "options"])
def test_outside_of_hooks_ctx_says_where_it_works(attribute):
    with pytest.raises(UsageError, match="while a hook or a command runs"):
        getattr(ctx, attribute)


def test_ctx_is_the_engine_of_the_block(master, other_master):
    with entered(other_master):
        assert ctx.master is other_master
        assert ctx.options is other_master.options
    assert ctx.master is master


def test_entering_for_good(master, other_master):
    contextvars.copy_context().run(lambda: (enter(other_master), ctx.master))
    assert ctx.master is master


def test_log_has_the_short_cuts_of_scripts(caplog):
    caplog.set_level(logging.DEBUG)
    ctx.log.debug("a")
    ctx.log.info("b %d", 1)
    ctx.log.alert("c %s", "now")
    ctx.log.warn("d")
    ctx.log.error("e")
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("DEBUG", "a"),
        ("INFO", "b 1"),
        ("ALERT", "c now"),
        ("WARNING", "d"),
        ("ERROR", "e"),
    ]
    assert caplog.records[2].levelno == ALERT == logging.INFO + 1

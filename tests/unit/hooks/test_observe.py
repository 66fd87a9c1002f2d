from midstream.hooks.observe import is_observer, observe


class Whole:
    def request(self, flow): ...


def test_a_marked_function_only_looks():
    @observe
    def request(flow): ...

    assert is_observer(object(), request)


def test_an_unmarked_function_may_change_things():
    def request(flow): ...

    assert not is_observer(object(), request)


def test_a_marked_method_only_looks():
    class Part:
        @observe
        def request(self, flow): ...

        def response(self, flow): ...

    part = Part()
    assert is_observer(part, part.request)
    assert not is_observer(part, part.response)


def test_a_marked_class_only_looks_with_all_its_hooks():
    whole = observe(Whole)()
    assert is_observer(whole, whole.request)

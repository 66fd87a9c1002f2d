from midstream.proxy.origin import ANY_HTTP, Origin


def test_origins_are_told_apart_by_all_that_makes_connections_differ():
    base = {"host": "a", "port": 443, "is_tls": True, "sni": "a"}
    others = [
        {"host": "b"},
        {"port": 444},
        {"is_tls": False},
        {"sni": None},
        {"via": ("http", ("p", 1))},
        {"is_tunnelled": True},
        {"owner": "me"},
        {"versions": ANY_HTTP},
        {"fingerprint": "1:2|00|0|m,a,s,p"},
    ]
    assert Origin(**base) == Origin(**base)
    assert len({Origin(**{**base, **other}) for other in others} | {Origin(**base)}) == 10

"""Answer one path here, without asking the server.

midstream dump -s examples/fake_response.py
curl -x http://localhost:8080 http://example.com/api/status
"""

import json

from midstream.addon import HTTPFlow, Response

ANSWERS = {"/api/status": {"status": "ok", "faked": True}}


def request(flow: HTTPFlow) -> None:
    answer = ANSWERS.get(flow.request.path.partition("?")[0])
    if answer is not None:
        flow.response = Response.make(200, json.dumps(answer), {"Content-Type": "application/json"})

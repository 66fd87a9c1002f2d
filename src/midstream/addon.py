"""What addons import: everything here is public, and the built-in addons use nothing else.

```python
from midstream.addon import HTTPFlow

def response(flow: HTTPFlow) -> None:
    flow.response.headers["X-Seen"] = "yes"
```
"""

from midstream import filters
from midstream.errors import AddonHalt, OptionsError, UsageError
from midstream.filters import Filter
from midstream.flow import (
    Annotation,
    Body,
    Cert,
    Client,
    Connection,
    ConnectionState,
    ControlException,
    DNSFlow,
    DNSMessage,
    Error,
    Flow,
    GrpcCall,
    GrpcMessage,
    Headers,
    Http2Facts,
    Http2Frame,
    HTTPFlow,
    Message,
    MultiDict,
    MultiDictView,
    Question,
    Request,
    ResourceRecord,
    Response,
    Server,
    ServerSentEvent,
    ServiceBinding,
    TCPFlow,
    TCPMessage,
    UDPFlow,
    UDPMessage,
    WebSocketControl,
    WebSocketData,
    WebSocketMessage,
)
from midstream.hooks import argtypes as types
from midstream.hooks import commands as command
from midstream.hooks.concurrent import concurrent
from midstream.hooks.context import ALERT, Options, ctx
from midstream.hooks.data import (
    ClientHelloData,
    Context,
    Layer,
    NextLayer,
    ServerConnectionHookData,
    Socks5AuthData,
    TlsData,
)
from midstream.hooks.loader import Loader
from midstream.hooks.observe import observe

__all__ = [
    "ALERT",
    "AddonHalt",
    "Annotation",
    "Body",
    "Cert",
    "Client",
    "ClientHelloData",
    "Connection",
    "ConnectionState",
    "Context",
    "ControlException",
    "DNSFlow",
    "DNSMessage",
    "Error",
    "Filter",
    "Flow",
    "GrpcCall",
    "GrpcMessage",
    "HTTPFlow",
    "Headers",
    "Http2Facts",
    "Http2Frame",
    "Layer",
    "Loader",
    "Message",
    "MultiDict",
    "MultiDictView",
    "NextLayer",
    "Options",
    "OptionsError",
    "Question",
    "Request",
    "ResourceRecord",
    "Response",
    "Server",
    "ServerConnectionHookData",
    "ServerSentEvent",
    "ServiceBinding",
    "Socks5AuthData",
    "TCPFlow",
    "TCPMessage",
    "TlsData",
    "UDPFlow",
    "UDPMessage",
    "UsageError",
    "WebSocketControl",
    "WebSocketData",
    "WebSocketMessage",
    "command",
    "concurrent",
    "ctx",
    "filters",
    "observe",
    "types",
]

"""What users see: flows, messages, headers, connections. Plain data; nothing here reads a socket."""

from midstream.flow.annotation import Annotation
from midstream.flow.body import Body, BodyState
from midstream.flow.certificate import Cert
from midstream.flow.connection import Client, Connection, ConnectionState, ModeName, ProxyMode, Server
from midstream.flow.dns import DNSFlow, DNSMessage
from midstream.flow.dnsrecord import Question, ResourceRecord
from midstream.flow.dnsservice import ServiceBinding
from midstream.flow.flow import ControlException, Error, Flow
from midstream.flow.grpc import GrpcCall, GrpcMessage
from midstream.flow.headers import Headers
from midstream.flow.http import HTTPFlow
from midstream.flow.http2 import Http2Facts, Http2Frame
from midstream.flow.message import Message
from midstream.flow.multidict import MultiDict, MultiDictView
from midstream.flow.request import Request
from midstream.flow.response import Response
from midstream.flow.sse import ServerSentEvent
from midstream.flow.tcp import TCPFlow, TCPMessage
from midstream.flow.udp import UDPFlow, UDPMessage
from midstream.flow.websocket import Opcode, WebSocketControl, WebSocketData, WebSocketMessage

__all__ = [
    "Annotation",
    "Body",
    "BodyState",
    "Cert",
    "Client",
    "Connection",
    "ConnectionState",
    "ControlException",
    "DNSFlow",
    "DNSMessage",
    "Error",
    "Flow",
    "GrpcCall",
    "GrpcMessage",
    "HTTPFlow",
    "Headers",
    "Http2Facts",
    "Http2Frame",
    "Message",
    "ModeName",
    "MultiDict",
    "MultiDictView",
    "Opcode",
    "ProxyMode",
    "Question",
    "Request",
    "ResourceRecord",
    "Response",
    "Server",
    "ServerSentEvent",
    "ServiceBinding",
    "TCPFlow",
    "TCPMessage",
    "UDPFlow",
    "UDPMessage",
    "WebSocketControl",
    "WebSocketData",
    "WebSocketMessage",
]

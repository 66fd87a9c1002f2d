// The echo server of the conformance run: Node's `ws`, with compression. Prints its port.
"use strict";
const { WebSocketServer } = require("ws");
const server = new WebSocketServer({ host: "127.0.0.1", port: 0, perMessageDeflate: true }, () =>
  console.log(server.address().port),
);
server.on("connection", (socket) => {
  socket.on("error", () => {}); // what is wrong is told to the client by its close code
  socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary }));
});

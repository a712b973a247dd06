// node http-proxy with a pool of connections: http_proxy.js LISTEN-PORT BACKEND-PORT PACKAGE
const http = require("http");
const [listen, backend, folder] = process.argv.slice(2);
const proxy = require(folder).createProxyServer({
  target: `http://127.0.0.1:${backend}`,
  agent: new http.Agent({ keepAlive: true, maxSockets: 1024, maxFreeSockets: 1024 }),
  ws: true,
  xfwd: true,
});
proxy.on("error", (error, request, response) => response.destroy());
const server = http.createServer((request, response) => proxy.web(request, response));
server.on("upgrade", (request, socket, head) => proxy.ws(request, socket, head));
server.listen(Number(listen), "127.0.0.1");

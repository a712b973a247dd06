// Node's http, which writes head and body of a response separately: node server.js PORT
const fs = require("node:fs");
const http = require("node:http");

const names = ["version", "source/version.py", "settings/version.toml", "templates/version.html"];
const versions = names.flatMap((name) => {
  try {
    return [fs.readFileSync(name, "utf8")];
  } catch {
    return [];
  }
}).join(" ");
const large = "x".repeat(200_000);

http.createServer((request, response) => {
  const body = request.url === "/large" ? large : versions;
  response.writeHead(200, {"Content-Type": "text/plain", "Content-Length": body.length});
  response.flushHeaders();
  setImmediate(() => response.end(body));
}).listen(Number(process.argv[2]), "127.0.0.1");

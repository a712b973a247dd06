// A Node server that responds with the contents of the file `version`: node node_server.js PORT
const http = require("node:http");
const fs = require("node:fs");

const version = fs.existsSync("version") ? fs.readFileSync("version", "utf8") : "";
http.createServer((request, response) => {
  response.setHeader("Content-Type", "text/plain");
  response.end(version);
}).listen(Number(process.argv[2]), "127.0.0.1");

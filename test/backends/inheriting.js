// A Node server on a socket that it inherits: node inheriting.js FD
const http = require("node:http");
const fs = require("node:fs");

const version = fs.readFileSync("version", "utf8");
http.createServer((request, response) => response.end(version))
  .listen({ fd: Number(process.argv[2]) });

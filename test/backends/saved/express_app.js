// Express, with a page and a static file: node express_app.js PORT
const fs = require("node:fs");
const express = require("express");

const names = ["version", "source/version.py", "settings/version.toml", "templates/version.html"];
const versions = names.flatMap((name) => {
  try {
    return [fs.readFileSync(name, "utf8")];
  } catch {
    return [];
  }
}).join(" ");

const app = express();
app.use(express.static("static"));
app.use((request, response) => response.type("text/plain").send(versions));
app.listen(Number(process.argv[2]), "127.0.0.1");

"""A Flask application: python flask_app.py PORT."""

import sys
from pathlib import Path

from flask import Flask

app = Flask(__name__)
VERSION = Path("version").read_text()


@app.route("/")
def index() -> str:
    return VERSION


app.run(port=int(sys.argv[1]), debug=False)

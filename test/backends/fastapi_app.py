"""A FastAPI application: uvicorn --port PORT fastapi_app:app."""

from pathlib import Path

from fastapi import FastAPI
from fastapi.responses import PlainTextResponse

VERSION = Path("version").read_text()
app = FastAPI()


@app.get("/", response_class=PlainTextResponse)
async def index() -> str:
    return VERSION

"""The version of the API, which tests change."""

VERSION = "1"

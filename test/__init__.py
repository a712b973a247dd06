"""The tests, mirroring the package; read `harness.py` first.

`core/`, `proxy/`, ...   unit and shell tests, one file per module of the package
`whole/`                 the program as its users run it, by topic
`backends/`              the real servers that `whole/` puts behind it
`suites/`                other people's test suites, run through the proxy
`run.sh`                 the one command that runs all of it
"""

"""What the user sets, read into a `Config`: by the command line, by files, by defaults.

`options.py` is the one table of options, `readers.py` what their values may be; `command_line.py`
and `config_file.py` read by that table, `resolving.py` joins what they say, and `completion.py`
tells it to shells. `parsing.py` is for the command lines of all our programs.
"""

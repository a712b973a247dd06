"""Code that runs in the backend's interpreter: the recorder, the fork server, and its forks.

These files are never imported: bootstrap.py joins them to one text with a single namespace, for
any CPython from 3.8 on. It uses only modules that each interpreter has built in or loads at its
start, and `_socket` and `fcntl`, so that it does not change what the program finds in sys.modules.
Imports between these files are for the type checker only.
"""

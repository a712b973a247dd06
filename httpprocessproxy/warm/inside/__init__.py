"""What runs in the backend's interpreter: the recorder, the fork server, and what it forks.

Never imported there, and nowhere at all: sending.py joins these files to one text, which has a
namespace of its own in any CPython from 3.8 on. It uses only what each interpreter has loaded at
its start or built in, and `_socket` and `fcntl`, so that nothing of ours decides what the program
finds in sys.modules. So what one file has of another it "imports" for the type checker only.
"""

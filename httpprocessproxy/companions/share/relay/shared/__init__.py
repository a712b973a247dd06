"""The rendezvous of many relay processes, over one Redis (7 or later).

Redis has the visits that wait, by host, and says who takes and answers each: by scripts, which are
atomic (`scripts.py`). All else are messages between relays (`messages.py`): each relay has a
mailbox, a list that it alone pops from (`bus.py`). So bodies pass through Redis a piece at a time,
no more than the other end takes (`ends.py`), and a relay that dies takes only its visitors along.
"""

"""The verbs: commands for a running proxy, which each find by its folder or its address.

They are imported alone: neither asyncio nor the configuration of the proxy, whose imports take
longer than a verb may.
"""

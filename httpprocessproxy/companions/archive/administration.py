"""The commands on the database: schema, clients and tickets."""

from sqlalchemy.ext.asyncio import AsyncEngine

from httpprocessproxy.companions.archive.command_line import ArchiveCommandLine
from httpprocessproxy.companions.archive.store import schema
from httpprocessproxy.companions.archive.store.clients import Clients, NameTakenError
from httpprocessproxy.companions.archive.store.database import database_errors, opened
from httpprocessproxy.companions.archive.store.tickets import Tickets
from httpprocessproxy.core.lines import printable


class CommandRefusedError(Exception):
    """A command that cannot be carried out; the text is one line."""


async def administer(line: ArchiveCommandLine) -> list[str]:
    """Run a command, and return lines for standard output.

    Raises CommandRefusedError and UserError.
    """
    settings = line.settings
    async with opened(settings.database, settings.db_extras) as engine, database_errors():
        group, _, command = line.command.partition(" ")
        if group == "db":
            return await _schema(engine, command)
        await schema.upgrade(engine)
        if group == "client":
            return await _clients(Clients(engine), command, line)
        return await _tickets(Tickets(engine, settings.rules.ticket_ttl_s), command, line)


async def _schema(engine: AsyncEngine, command: str) -> list[str]:
    match command:
        case "up":
            await schema.upgrade(engine)
        case "down":
            await schema.downgrade(engine)
    return [await schema.current(engine) or "empty"]


async def _clients(clients: Clients, command: str, line: ArchiveCommandLine) -> list[str]:
    name = line.name
    match command:
        case "add":
            try:
                secret = await clients.add(name, line.keeps_secret)
            except NameTakenError:
                raise CommandRefusedError(f"there is a client {name!r} already") from None
            return [f"Client created: {printable(name)} - {secret}"]
        case "regenerate":
            changed = await clients.regenerate(name)
            if changed is None:
                raise CommandRefusedError(f"there is no client {name!r}")
            return [f"Client updated: {printable(name)} - {changed}"]
        case "drop":
            await clients.drop(name)
            return ["Client removed"]
        case _:
            return [printable(known) for known in await clients.names()]


async def _tickets(tickets: Tickets, command: str, line: ArchiveCommandLine) -> list[str]:
    if command == "drop":
        await (tickets.drop_all() if line.is_for_all else tickets.drop(line.name))
        return ["Done"]
    lines: list[str] = []
    for ticket in await tickets.all():
        lines.append(f"{ticket.id}({ticket.created.isoformat()}):")
        lines.extend(f"\t{printable(item.url)}" for item in ticket.order.items)
    return lines

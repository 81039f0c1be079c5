"""The command that shows what people answered about hosts for a whole repository, and takes it back."""

from rich.table import Table

from workers.cli.client import CommandFailed
from workers.cli.options import As, Json, Message, address_of, gateway
from workers.cli.terminal import out, plain, print_json
from workers.gateway.messages import ForgetHost


def hosts(*, repo: str, forget: str = "", message: Message = "", as_: As = "", json: Json = False) -> None:
    """Show which hosts people allowed, or keep refusing, for every task of a repository; --forget takes one back.

    An answer `allow-repository` or `refuse` to a question about a host comes here, with who gave it. What the owners'
    files list is not shown: that is theirs to change.

    Parameters
    ----------
    repo
        Path of the git repository, as it was given to `journeyman run`.
    forget
        Host, as it is listed: what was answered about it holds no more, and the next task that wants it asks again.
    """
    path = address_of(repo)
    client = gateway(as_)
    if forget and forget not in {answer.host for answer in client.hosts(path)}:
        raise CommandFailed(f"nothing is on record about {forget!r} for {path}: hosts are listed as NAME:PORT")
    if forget:
        client.forget_host(ForgetHost(repository=path, host=forget, message=message))
    answers = client.hosts(path)
    if json:
        print_json(answers)
        return
    if forget:
        out().print(f"{plain(forget)} is forgotten: the next task that wants it asks again")
    if not answers:
        out().print("Nobody has answered about a host for this repository.")
        return
    table = Table("host", "answer", "by", "when", "task", "message", box=None, pad_edge=False)
    for one in answers:
        when = f"{one.decided_at:%Y-%m-%d %H:%M}"
        table.add_row(
            *(plain(text, 100) for text in (one.host, one.choice, one.person, when, one.task_id, one.message))
        )
    out().print(table)

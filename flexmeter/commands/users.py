"""`flexmeter users`: the SQL that makes ClickHouse's users, for an administrator to run."""

from hashlib import sha256

import click

from connectors.access import ROLES, TAKEN, as_sql, customer, everyone_else
from flexmeter.role import examples


@click.command(
    epilog=examples(
        "flexmeter users grafana > grafana.sql",
        "flexmeter users customer anna LGZ1030655933000 > anna.sql",
    )
)
@click.argument("role", type=click.Choice([*ROLES, "customer"]))
@click.argument("user", required=False)
@click.argument("meters", nargs=-1)
@click.option(
    "--password",
    envvar="FLEXMETER_USER_PASSWORD",
    show_envvar=True,
    help="The user's; asked for unless told.",
)
def command(role: str, user: str | None, meters: tuple[str, ...], password: str | None) -> None:
    """Print the SQL that makes a user of ClickHouse: ROLE alone, or customer USER METER ...

    Only the password's SHA-256 is printed. An administrator runs it. Run again, it replaces the password, and a
    customer's meters.
    """
    if password is None:
        password = str(click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))
    hashed = sha256(password.encode()).hexdigest()
    if role == "customer":
        if not user or not meters:
            raise click.UsageError("customer USER METER ...: whose meters, and which")
        if user in TAKEN:
            raise click.UsageError(f"{user!r} cannot be a customer's name: something else is called so")
        made = [*everyone_else(), *as_sql(customer(user, meters), hashed)]
    elif user:
        raise click.UsageError(f"{role} takes no further names")
    else:
        made = as_sql(ROLES[role], hashed)
    for statement in made:
        click.echo(f"{statement};")

"""`flexmeter users`: what it prints can be given to clickhouse-client as it is."""

from click.testing import CliRunner

from flexmeter.commands.users import command

PASSWORD = "correct horse"


def test_the_password_is_asked_for_beside_the_sql() -> None:
    told = CliRunner().invoke(command, ["grafana"], input=f"{PASSWORD}\n{PASSWORD}\n")
    assert told.exit_code == 0
    sql = told.stdout.lstrip()  # the runner writes here what a person gets on the terminal: a line for each prompt
    assert sql.startswith("CREATE USER") and PASSWORD not in told.output
    assert "Password" in told.stderr and "Password" not in told.stdout
    assert sql.split(" IDENTIFIED")[1:2] and sql.split(";\n")[1] == sql.split(";\n")[0].replace(
        "CREATE USER IF NOT EXISTS", "ALTER USER"
    ), "a user that there is gets the password as well"
    by_environment = CliRunner().invoke(command, ["grafana"], env={"FLEXMETER_USER_PASSWORD": PASSWORD})
    assert by_environment.stdout == sql and by_environment.stderr == ""

"""One module a command; each has `command: click.Command`. flexmeter/cli.py lists them."""

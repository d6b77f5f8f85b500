"""`python -m flexmeter`."""

from flexmeter.cli import main

if __name__ == "__main__":
    main()

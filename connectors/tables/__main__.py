"""The tables as they are now, for tests/cases/tables: `python -m connectors.tables`."""

from connectors.tables import frozen

if __name__ == "__main__":
    print(";\n\n".join(frozen()) + ";")

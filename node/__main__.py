"""``python -m node`` is ``dwaybank``."""

from node.cli import main

if __name__ == "__main__":
    main()

"""How fast the device endpoints are, over real HTTP on PostgreSQL. Run by `make bench`, never by `make test`."""

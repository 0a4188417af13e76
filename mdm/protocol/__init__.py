"""Apple's device-management messages as plain Python values: no Django, no database, no HTTP."""

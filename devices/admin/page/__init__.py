"""The page of one device, by what it shows: head and actions, and a module for each tab that is more than a list."""

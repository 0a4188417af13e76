"""Virtual iPhones, iPads and Macs: clients of a device-management server, for demos, tests and load.

They talk HTTP and nothing else, and share no code with the server: what they understand of Apple's protocol they
understand by themselves, so a mistake in the server's parsing cannot hide behind the same mistake here.
"""

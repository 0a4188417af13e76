"""How people come in: passwords, second factors, passkeys, single sign-on, and what they are signed in with."""

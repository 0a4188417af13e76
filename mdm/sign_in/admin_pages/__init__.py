"""The pages of sign-in, for people who come in and for what they are signed in with."""
